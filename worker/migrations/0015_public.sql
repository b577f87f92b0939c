-- Videos of one place: what was shown there before is played to its end.
CREATE INDEX videos_by_content ON videos (kind, content_id) WHERE content_id IS NOT NULL;

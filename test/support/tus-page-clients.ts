// Bundled for a page: upload clients that nobody here wrote, as globals.
import AwsS3 from '@uppy/aws-s3';
import Uppy from '@uppy/core';
import Tus from '@uppy/tus';
import * as tus from 'tus-js-client';

Object.assign(globalThis, { Uppy, Tus, AwsS3, tus });

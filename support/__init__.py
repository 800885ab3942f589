"""Settings for TensorFlow. It reads most of them at its import, so import this package first."""

import logging
import os

# oneDNN, TensorFlow's faster arithmetic, which is off by default on some processors
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
# take only the needed memory of a graphics card, so that a test fits beside a training
os.environ.setdefault('TF_FORCE_GPU_ALLOW_GROWTH', 'true')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')  # show warnings, hide information
# the packages for Windows call the names of tensorflow.compat.v1 deprecated: hide that
logging.getLogger('tensorflow').addFilter(lambda record: 'name %s is dep' not in str(record.msg))

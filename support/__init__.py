"""The care around training and testing. Imported before TensorFlow, which reads these settings."""

import os

# its faster arithmetic, oneDNN, which by itself it uses on some processors only
os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
# no more memory of a graphics card than it needs, so that a test fits beside a training
os.environ.setdefault('TF_FORCE_GPU_ALLOW_GROWTH', 'true')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '1')  # warnings, but not its information

"""What this processor can do faster, and how TensorFlow is told."""

import os
import re

import tensorflow.compat.v1 as tf

CPUINFO = '/proc/cpuinfo'
BFLOAT16_OPTION = 'auto_mixed_precision_onednn_bfloat16'  # of grappler, TensorFlow's optimizer


def lacks_bfloat16():
    """Returns why there is no fast bfloat16 arithmetic here, None if there is or nobody knows."""
    if not hasattr(tf.ConfigProto().graph_options.rewrite_options, BFLOAT16_OPTION):
        return 'TensorFlow %s has no bfloat16 arithmetic for processors' % tf.__version__
    if os.path.exists(CPUINFO):  # on Linux
        with open(CPUINFO) as file:
            if not re.search(r'\b(avx512_bf16|amx_bf16)\b', file.read()):
                return 'this processor has no bfloat16 arithmetic (avx512_bf16 or amx_bf16)'
    return None


def session_config(bfloat16):
    """Returns the options of a session: with `bfloat16`, convolutions and matrix products take
    bfloat16 numbers, of 8 bits of precision, and add up in float32. Variables stay float32.
    """
    config = tf.ConfigProto()
    if bfloat16:
        rewrite_options = config.graph_options.rewrite_options
        setattr(rewrite_options, BFLOAT16_OPTION, rewrite_options.ON)
    return config

"""What this processor can do faster, and how TensorFlow is told.

Owns TF_ENABLE_ONEDNN_OPTS, which TensorFlow reads when it is imported, so that nothing here may
import it on the way; the options of a session; the priority of the process.
"""

import os
import platform
import re

CPUINFO = '/proc/cpuinfo'
BFLOAT16_OPTION = 'auto_mixed_precision_onednn_bfloat16'  # of grappler, TensorFlow's optimizer


def has(*features):
    """Returns whether the processor has one of the features, None if nobody knows."""
    if not os.path.exists(CPUINFO):  # only Linux has it
        return None
    with open(CPUINFO, encoding='utf-8', errors='replace') as file:
        return bool(re.search(r'\b(%s)\b' % '|'.join(features), file.read()))


def choose_arithmetic():
    """Switches oneDNN on where it is faster, unless the user has chosen.

    By itself TensorFlow does so on processors with AVX512_VNNI and later ones only.
    """
    if has('avx2'):
        os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')


def lacks_bfloat16():
    """Returns why there is no fast bfloat16 arithmetic here, None if there is.

    The names are those of Intel's and AMD's. For other processors, and where the names cannot be
    read, TensorFlow is asked: it takes no notice of the option where it does not apply.
    """
    import tensorflow.compat.v1 as tf

    if not hasattr(tf.ConfigProto().graph_options.rewrite_options, BFLOAT16_OPTION):
        return 'TensorFlow %s has no bfloat16 arithmetic for processors' % tf.__version__
    machine = platform.machine()
    if machine in ('x86_64', 'AMD64') and has('avx512_bf16', 'amx_bf16') is False:
        return 'this processor has no bfloat16 arithmetic (avx512_bf16 or amx_bf16)'
    with tf.Graph().as_default(), tf.Session(config=session_config(True)) as sess:
        x = tf.placeholder(tf.float32, [8, 8])
        # what is fetched stays float32, and a graph of three operations as it is
        product = tf.nn.relu(tf.matmul(x, x) + 1)
        ran, options = tf.RunMetadata(), tf.RunOptions(output_partition_graphs=True)
        sess.run(product, {x: [[0] * 8] * 8}, options=options, run_metadata=ran)
    if 'DT_BFLOAT16' not in str(ran.partition_graphs):
        return 'TensorFlow does not use bfloat16 arithmetic on this processor (%s)' % machine
    return None


def session_config(bfloat16):
    """Returns the options of a session: with `bfloat16`, convolutions and matrix products take
    bfloat16 numbers, of 8 bits of precision, and add up in float32. Variables stay float32.
    """
    import tensorflow.compat.v1 as tf

    config = tf.ConfigProto()
    if bfloat16:
        rewrite_options = config.graph_options.rewrite_options
        setattr(rewrite_options, BFLOAT16_OPTION, rewrite_options.ON)
    return config


def give_way():
    """Lets other processes go first: testing then takes little from a training beside it."""
    if hasattr(os, 'nice'):  # not on Windows
        os.nice(19)

"""Watches the training of LeNet-5: tests its current checkpoint on the 10,000 test digits.

    python mnist_lenet5_test.py --wait

looks for a new checkpoint every five seconds, until you press Ctrl-C. For each it prints

    After 301 training step(s), test accuracy = 0.8694

--help lists the flags. docs/differences.md lists the differences from the lecture, with reasons.
"""

import time

# before TensorFlow: support sets environment variables that TensorFlow reads
from support import command_line, pictures, tensorboard, watching

import tensorflow.compat.v1 as tf
import input_data
import mnist_lenet5_forward
import mnist_lenet5_backward
import numpy as np

TEST_INTERVAL_SECS = 5
TEST_BATCH_SIZE = 250  # images at a time; all 10,000 would take 1.75 GB


def test(mnist, wait=False, once=False, mistakes=None):
    """Prints the accuracy of the averaged weights on mnist.test for each checkpoint that it finds.

    Runs until it is stopped. With `once`, tests one checkpoint and returns its accuracy (0 to 1).
    Without any checkpoint, returns None unless `wait` is set. mistakes: path of a PNG file for the
    misread digits, at most 16 for each pair of classes; or None.

    mnist.test needs `num_examples`, `images` [n, 784], 0 to 1, and one-hot `labels` [n, 10].
    Raises support's checkpoints.CheckpointError; OSError if `mistakes` cannot be written.
    """
    with tf.Graph().as_default() as g:
        x = tf.placeholder(
            tf.float32,
            [
                None,
                mnist_lenet5_forward.IMAGE_SIZE,
                mnist_lenet5_forward.IMAGE_SIZE,
                mnist_lenet5_forward.NUM_CHANNELS,
            ],
        )
        y_ = tf.placeholder(tf.float32, [None, mnist_lenet5_forward.OUTPUT_NODE])
        # no dropout, because all neurons take part; no L2 terms, because nothing is trained
        y = mnist_lenet5_forward.forward(x, False, None)

        ema = tf.train.ExponentialMovingAverage(mnist_lenet5_backward.MOVING_AVERAGE_DECAY)
        # {name of a shadow in the checkpoint: variable}: the test uses the averages
        ema_restore = ema.variables_to_restore()
        saver = tf.train.Saver(ema_restore)

        # True for each digit that is read correctly. True counts as 1. The mean is the accuracy.
        correct_prediction = tf.equal(tf.argmax(y, 1), tf.argmax(y_, 1))
        accuracy = tf.reduce_mean(tf.cast(correct_prediction, tf.float32))

        curves = tensorboard.Testing(mnist_lenet5_backward.MODEL_SAVE_PATH, mnist.test)
        watcher = watching.Watcher(wait)  # so that each checkpoint is tested once
        while True:
            with tf.Session() as sess:
                ckpt = watcher.get_checkpoint_state(mnist_lenet5_backward.MODEL_SAVE_PATH)
                if ckpt and ckpt.model_checkpoint_path:
                    if watcher.restore_new(saver, sess, ckpt):  # False: not new
                        # the name ends in the number of steps: mnist_model-301
                        global_step = ckpt.model_checkpoint_path.split('/')[-1].split('-')[-1]
                        reshaped_x = np.reshape(
                            mnist.test.images,
                            (
                                mnist.test.num_examples,
                                mnist_lenet5_forward.IMAGE_SIZE,
                                mnist_lenet5_forward.IMAGE_SIZE,
                                mnist_lenet5_forward.NUM_CHANNELS,
                            ),
                        )
                        # logits in chunks, to save memory; accuracy is then computed from them
                        logits = run_in_chunks(sess, y, x, reshaped_x)
                        accuracy_score = sess.run(
                            accuracy, feed_dict={y: logits, y_: mnist.test.labels}
                        )
                        print(
                            'After %s training step(s), test accuracy = %g'
                            % (global_step, accuracy_score),
                            flush=True,
                        )
                        curves.add(global_step, accuracy_score, logits, ckpt)
                        if mistakes:
                            pictures.write_mistakes(mistakes, mnist.test, logits)
                        if once:
                            return accuracy_score
                else:
                    print('No checkpoint file found', flush=True)
                    return
            time.sleep(TEST_INTERVAL_SECS)


def run_in_chunks(sess, fetch, placeholder, values):
    """Returns `fetch` for all `values`. Feeds them to the placeholder TEST_BATCH_SIZE at a time."""
    chunks = np.split(values, range(TEST_BATCH_SIZE, len(values), TEST_BATCH_SIZE))
    return np.concatenate([sess.run(fetch, feed_dict={placeholder: chunk}) for chunk in chunks])


def main():
    global TEST_INTERVAL_SECS
    args = command_line.parse_testing(TEST_INTERVAL_SECS, mnist_lenet5_backward.MODEL_SAVE_PATH)
    TEST_INTERVAL_SECS, mnist_lenet5_backward.MODEL_SAVE_PATH = args.interval, args.model_dir
    mnist = input_data.read_data_sets(
        args.data_dir or './data/',
        one_hot=True,
        validation_size=None,
        num_classes=mnist_lenet5_forward.OUTPUT_NODE,
        fallback=not args.data_dir,
    )
    return 1 if test(mnist, args.wait, args.once, args.mistakes) is None else 0


if __name__ == '__main__':
    # a running training goes first; after Ctrl-C, `finally` blocks run and files are closed
    command_line.launch(main, niceness=19, at_once=False)

"""Trains LeNet-5 on MNIST.

    python mnist_lenet5_backward.py

prints a line and saves a checkpoint at steps 1, 101, 201, ... and at the last:

    After 1 training step(s), loss on training batch is 5.17794.

Press Ctrl-C to stop. Run the same command again to continue as if the training had not stopped.
--help lists the flags. docs/differences.md lists the differences from the lecture, with reasons.
"""

# before TensorFlow: support sets environment variables that TensorFlow reads
from support import checkpoints, command_line, training

import tensorflow.compat.v1 as tf
import input_data  # replaces the vanished tensorflow.examples.tutorials.mnist
import mnist_lenet5_forward
import numpy as np

BATCH_SIZE = 100  # images per step
LEARNING_RATE_BASE = 0.005  # at the start
LEARNING_RATE_DECAY = 0.99  # factor per epoch
REGULARIZER = 0.0001  # factor of the L2 terms
STEPS = 50000  # a run ends at the next multiple of it
MOVING_AVERAGE_DECAY = 0.99
MODEL_SAVE_PATH = './model/'
MODEL_NAME = 'mnist_model'  # followed by the step: mnist_model-301
SAVE_STEPS = 100  # between two checkpoints
SEED = 1  # of all random numbers of a new training; a resumed training keeps its seed


def backward(mnist, seed=None, bfloat16=False):
    """Trains on mnist.train up to the next multiple of STEPS, from the current checkpoint if
    there is one.

    mnist.train needs `num_examples` and `next_batch(n)`, which returns grey levels [n, 784] and
    one-hot labels [n, 10]. With input_data's `seek`, a resumed run gives the same bits as an
    uninterrupted one. seed: overrides SEED and the seed of the resumed training; bfloat16: whether
    to multiply 16-bit numbers, which the processor must support.

    Raises support's checkpoints.CheckpointError, files.LockError, training.TrainingError and
    training.Interrupted.
    """
    # manages the seed, session, steps and saves, so that an interrupted training can resume
    run = training.Run(MODEL_SAVE_PATH, MODEL_NAME, SEED, seed)
    with tf.Graph().as_default():
        tf.set_random_seed(run.seed)
        # resource variables, TensorFlow 2's kind: with them, the loss is from before the update
        tf.get_variable_scope().set_use_resource(True)

        # placeholders are like a function's parameters: sess.run feeds them at each step
        x = tf.placeholder(
            tf.float32,
            [
                BATCH_SIZE,
                mnist_lenet5_forward.IMAGE_SIZE,
                mnist_lenet5_forward.IMAGE_SIZE,
                mnist_lenet5_forward.NUM_CHANNELS,
            ],
        )
        y_ = tf.placeholder(tf.float32, [None, mnist_lenet5_forward.OUTPUT_NODE])
        # dropout depends on these alone: a resumed run drops the same as an uninterrupted one
        seed_and_step = tf.placeholder(tf.int32, [2])
        y = mnist_lenet5_forward.forward(x, True, REGULARIZER, seed_and_step)
        global_step = tf.Variable(0, trainable=False)  # counts the steps, see minimize

        # Cross entropy, [BATCH_SIZE]: -log(probability of the right digit). The softmax turns
        # logits into probabilities. argmax turns one-hot labels into class numbers.
        ce = tf.nn.sparse_softmax_cross_entropy_with_logits(logits=y, labels=tf.argmax(y_, 1))
        cem = tf.reduce_mean(ce)  # a mean does not grow with BATCH_SIZE
        loss = cem + tf.add_n(tf.get_collection('losses'))  # plus get_weight's four L2 terms

        # base * decay ** (step / steps of an epoch): large at first, to get near the minimum fast;
        # small later, for stable steps. staircase rounds the exponent down: one rate per epoch.
        learning_rate = tf.train.exponential_decay(
            LEARNING_RATE_BASE,
            global_step,
            mnist.train.num_examples / BATCH_SIZE,
            LEARNING_RATE_DECAY,
            staircase=True,
        )

        train_step = tf.train.GradientDescentOptimizer(learning_rate).minimize(
            loss, global_step=global_step
        )

        # Each trainable variable gets a less noisy shadow, which the test uses. It begins with the
        # variable's value and becomes decay * shadow + (1 - decay) * variable at each step, where
        # decay = min(MOVING_AVERAGE_DECAY, (1 + step) / (10 + step)).
        ema = tf.train.ExponentialMovingAverage(MOVING_AVERAGE_DECAY, global_step)
        # Update the averages after the weights. The lecture leaves the order open.
        with tf.control_dependencies([train_step]):
            ema_op = ema.apply(tf.trainable_variables())
        with tf.control_dependencies([train_step, ema_op]):
            train_op = tf.no_op(name='train')  # one name, to run both together
            step_taken = global_step.read_value()  # global_step itself may give the old value

        saver = tf.train.Saver()

        with run.session(saver, global_step, learning_rate, training.config(bfloat16)) as sess:
            init_op = tf.global_variables_initializer()
            sess.run(init_op)

            # The current checkpoint replaces the initial values. The functions of `checkpoints` do
            # what tf.train's and the saver's do, and also handle damaged files.
            ckpt = checkpoints.get_checkpoint_state(MODEL_SAVE_PATH)
            if ckpt and ckpt.model_checkpoint_path:
                checkpoints.restore(saver, sess, ckpt)

            # The lecture has range(STEPS). Here i runs from the restored step to run.end - 1, where
            # run.end is the next multiple of STEPS. step is read after the update, so it is i + 1.
            for i in run.steps(mnist.train, BATCH_SIZE, STEPS):
                xs, ys = mnist.train.next_batch(BATCH_SIZE)
                reshaped_xs = np.reshape(
                    xs,
                    (
                        BATCH_SIZE,
                        mnist_lenet5_forward.IMAGE_SIZE,
                        mnist_lenet5_forward.IMAGE_SIZE,
                        mnist_lenet5_forward.NUM_CHANNELS,
                    ),
                )
                _, loss_value, step = sess.run(
                    [train_op, loss, step_taken],
                    feed_dict={x: reshaped_xs, y_: ys, seed_and_step: [run.seed, i]},
                )
                if i % SAVE_STEPS == 0 or step == run.end:
                    print(
                        'After %d training step(s), loss on training batch is %g.'
                        % (step, loss_value),
                        flush=True,
                    )
                    run.save(step, loss_value)  # saver.save, plus the curves


def main():
    global STEPS, MODEL_SAVE_PATH
    args = command_line.parse_training(STEPS, MODEL_SAVE_PATH, SEED)
    STEPS, MODEL_SAVE_PATH = args.steps, args.model_dir
    mnist = input_data.read_data_sets(
        args.data_dir or './data/',
        one_hot=True,
        validation_size=None,  # 5,000 images, or fewer if the data set is small
        num_classes=mnist_lenet5_forward.OUTPUT_NODE,
        fallback=not args.data_dir,
    )
    backward(mnist, args.seed, args.bfloat16)


if __name__ == '__main__':
    command_line.launch(main)

"""Your own handwriting, read by your own network.

    python mnist_lenet5_app.py photo.jpg 7.png

prints what is written on each picture:

    photo.jpg: 7 (99.8%)

Without pictures it serves a page to draw on, which shows the layers of the network as you draw, by
the newest checkpoint of a training that goes on beside it. --help lists the flags.
"""

import os
import threading

# before TensorFlow, for which `support` chooses the faster arithmetic
from support import (
    checkpoints,
    files,
    handwriting,
    images,
    layers,
    live,
    pictures,
    server,
    terminal,
)

import numpy as np
import tensorflow.compat.v1 as tf

import mnist_lenet5_backward
import mnist_lenet5_forward

PORT = 8028
PAGE = os.path.join(os.path.dirname(os.path.abspath(server.__file__)), 'app.html')


def app(paths, layers_path=None, port=PORT, browser=True):
    """Prints what the network reads on the pictures at `paths`; without any, serves the page.

    Returns the exit status. A picture of the layers goes to the file `layers_path`, a path or None.
    Raises support's checkpoints.CheckpointError, layers.NetworkError and server.PortError.
    """
    with tf.Graph().as_default():
        x = tf.placeholder(
            tf.float32,
            [
                None,
                mnist_lenet5_forward.IMAGE_SIZE,
                mnist_lenet5_forward.IMAGE_SIZE,
                mnist_lenet5_forward.NUM_CHANNELS,
            ],
        )
        y = mnist_lenet5_forward.forward(x, False, None)

        # {name of the shadow in the checkpoint: variable}: it is the shadows that are restored
        ema = tf.train.ExponentialMovingAverage(mnist_lenet5_backward.MOVING_AVERAGE_DECAY)
        ema_restore = ema.variables_to_restore()
        saver = tf.train.Saver(ema_restore)

        tensors = layers.find(x, y)
        if not paths:
            newest = live.Live(
                mnist_lenet5_backward.MODEL_SAVE_PATH, x, tensors, saver, ema_restore
            )
            return serve(newest, port, browser)

        with tf.Session() as sess:
            ckpt = checkpoints.get_checkpoint_state(mnist_lenet5_backward.MODEL_SAVE_PATH)
            if not (ckpt and ckpt.model_checkpoint_path):
                print('No checkpoint file found', flush=True)
                return 1
            checkpoints.restore(saver, sess, ckpt, ema_restore)
            status = 0
            for path in paths:
                name = terminal.printable(path)
                try:
                    digit = handwriting.digit(images.decode(images.read(path)))
                except images.PictureError as error:
                    terminal.say('error: %s: %s' % (name, error))
                    status = error.exit_status
                    continue
                values = layers.look(sess, x, tensors, digit)
                probabilities = values['y']
                print(
                    '%s: %d (%.1f%%)'
                    % (name, np.argmax(probabilities), 100 * np.max(probabilities)),
                    flush=True,
                )
                if layers_path:
                    files.write(layers_path, pictures.png(layers.picture(values)))
            return status


def serve(newest, port, browser):
    """Serves the page, until Ctrl-C; `newest` is a live.Live."""
    with open(PAGE, encoding='utf-8') as file:
        page = file.read()
    serving = server.Server(port, page, newest.answers())
    threading.Thread(target=newest.watch, daemon=True).start()
    terminal.say('%s (Ctrl-C ends)' % serving.address)
    if browser:
        server.open_in_browser(serving.address)
    serving.serve_forever()


def main():
    args = terminal.parse_app(mnist_lenet5_backward.MODEL_SAVE_PATH, PORT)
    mnist_lenet5_backward.MODEL_SAVE_PATH = args.model_dir
    return app(args.pictures, args.layers, args.port, not args.no_browser)


if __name__ == '__main__':
    terminal.run(main)

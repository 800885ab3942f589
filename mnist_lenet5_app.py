"""Your own handwriting, read by your own network.

    python mnist_lenet5_app.py photo.jpg 7.png

prints what is written on each picture:

    photo.jpg: 7 (99.8%)

Without pictures it serves a page to draw on. As you draw, the page shows the layers of the network.
The script uses the current checkpoint, also while a training is running. --help lists the flags.
"""

import os
import sys
import threading

# before TensorFlow: support sets environment variables that TensorFlow reads
from support import checkpoints, command_line, console, files, watching

import tensorflow.compat.v1 as tf

import mnist_lenet5_backward
import mnist_lenet5_forward

try:
    from handwriting import digit, layers, live, photo, server

    MISSING = None
except ModuleNotFoundError as error:
    MISSING = error.name.split('.')[0]
    if MISSING not in ('PIL', 'scipy', 'skimage'):
        raise

PORT = 8028


class PackageError(console.Error):
    """A package of the app is missing."""


def app(paths, layers_path=None, port=PORT, browser=True):
    """Prints what the network reads on the pictures at `paths`; without any, serves the page.

    Returns the exit status. layers_path: the file for a picture of the layers, a path or None.
    Raises checkpoints.CheckpointError, layers.NetworkError, server.PortError and OSError.
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

        # {name of the shadow in the checkpoint: variable}: the shadows are restored
        ema = tf.train.ExponentialMovingAverage(mnist_lenet5_backward.MOVING_AVERAGE_DECAY)
        saver = tf.train.Saver(ema.variables_to_restore())

        model_dir, network = mnist_lenet5_backward.MODEL_SAVE_PATH, layers.Network(x, y)
        if network.undrawn and (layers_path or not paths):
            undrawn = ', '.join(network.undrawn)
            console.say(f'mnist_lenet5_forward.py: the input of {undrawn} cannot be drawn')
        if not paths:
            return serve(live.NewestCheckpoint(model_dir, network, saver), port, browser)

        with tf.Session() as sess:
            ckpt = watching.Watcher(wait=False).get_checkpoint_state(model_dir)
            if not (ckpt and ckpt.model_checkpoint_path):
                print('No checkpoint file found', flush=True)
                return 1
            checkpoints.restore(saver, sess, ckpt)
            status = 0
            for path in paths:
                try:
                    levels = digit.digit(photo.decode(photo.read(path)))
                except photo.PictureError as error:
                    console.say(f'error: {path}: {error}')
                    status = error.exit_status
                    continue
                values = network.read(sess, levels)
                probabilities = values['probabilities']
                share = 100 * probabilities.max()
                print('%s: %d (%.1f%%)' % (path, probabilities.argmax(), share), flush=True)
                if layers_path:
                    files.write(layers_path, layers.drawn(values))
            return status


def serve(newest, port, browser):
    """Serves the page until Ctrl-C. newest: a live.NewestCheckpoint."""
    with server.Server(port, newest.answers) as serving:  # a notebook opens the port again
        threading.Thread(target=newest.watch, daemon=True).start()
        console.say(f'{serving.address} (Ctrl-C ends)')
        if browser:
            server.open_in_browser(serving.address)
        serving.serve_forever()


def parse_args():
    """Returns the flags: pictures, model_dir, layers, port, no_browser. Raises PackageError."""
    path = command_line.path
    description = 'Reads your own handwriting, with the checkpoint of your own training.'
    model_dir = mnist_lenet5_backward.MODEL_SAVE_PATH
    parser = command_line.new_parser(description, model_dir, has_data=False)
    text = 'of one digit each (PNG, JPEG, HEIC, ...), or a folder. Without any, a page to draw on'
    parser.add_argument('pictures', type=path, nargs='*', metavar='PICTURE', help=text)
    text = 'draw what the network sees in the one picture, layer by layer'
    parser.add_argument('--layers', type=lambda f: path(f, '.png'), metavar='FILE.png', help=text)
    text = 'of the page, on 127.0.0.1 (%(default)s)'
    parser.add_argument('--port', type=int, default=PORT, metavar='N', help=text)
    parser.add_argument('--no_browser', action='store_true', help='do not open the page')
    args = parser.parse_args(command_line.arguments())
    if MISSING:
        problem = f'{MISSING} is missing; the app needs Pillow, SciPy and scikit-image'
        command = f'{sys.executable} -m pip install -r requirements-app.txt'
        raise PackageError(f'{problem}: {command}')
    args.pictures = photo.paths(args.pictures)
    same = os.path.realpath(args.layers or '') in map(os.path.realpath, args.pictures)
    if args.layers is not None and (len(args.pictures) != 1 or same):
        parser.error('argument --layers: needs one picture, and another file to write')
    if not 1 <= args.port <= 65535:
        parser.error('argument --port: must be from 1 to 65535')
    return args


def main():
    args = parse_args()
    if args.pictures and hasattr(sys.stdout, 'reconfigure'):  # not in a notebook or in IDLE
        sys.stdout.reconfigure(errors='backslashreplace')  # not every name can be printed
    mnist_lenet5_backward.MODEL_SAVE_PATH = args.model_dir
    return app(args.pictures, args.layers, args.port, not args.no_browser)


if __name__ == '__main__':
    command_line.launch(main)

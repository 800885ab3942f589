"""The notes' network and training step in NumPy and float64, written from their text alone."""

import numpy as np

SHAPES = [(5, 5, 1, 32), (32,), (5, 5, 32, 64), (64,), (3136, 512), (512,), (512, 10), (10,)]
L2 = 0.0001


def initial_parameters(seed=0):
    """Parameters of the size that training gives them; biases that are not zero."""
    random = np.random.RandomState(seed)
    return [random.normal(0, 0.05, shape) for shape in SHAPES]


def _patches(x):
    """[n, rows, columns, channels] to [n, rows, columns, 25 * channels]: zero-padded 5x5."""
    n, rows, columns, channels = x.shape
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    shifted = [padded[:, i : i + rows, j : j + columns] for i in range(5) for j in range(5)]
    return np.stack(shifted, axis=3).reshape(n, rows, columns, 25 * channels)


def _patches_gradient(gradient, channels):
    n, rows, columns, _ = gradient.shape
    gradient = gradient.reshape(n, rows, columns, 25, channels)
    padded = np.zeros((n, rows + 4, columns + 4, channels))
    for k in range(25):
        i, j = divmod(k, 5)
        padded[:, i : i + rows, j : j + columns] += gradient[:, :, :, k]
    return padded[:, 2:-2, 2:-2]


def _windows(x):
    """[n, rows, columns, channels] to [n, rows / 2, columns / 2, channels, 4]."""
    n, rows, columns, channels = x.shape
    x = x.reshape(n, rows // 2, 2, columns // 2, 2, channels)
    return x.transpose(0, 1, 3, 5, 2, 4).reshape(n, rows // 2, columns // 2, channels, 4)


def _windows_gradient(gradient):
    n, rows, columns, channels, _ = gradient.shape
    gradient = gradient.reshape(n, rows, columns, channels, 2, 2)
    return gradient.transpose(0, 1, 4, 2, 5, 3).reshape(n, 2 * rows, 2 * columns, channels)


def _conv_relu_pool(x, w, b):
    patches = _patches(x)
    windows = _windows(np.maximum(patches @ w.reshape(-1, w.shape[-1]) + b, 0))
    return windows.max(axis=-1), (patches, windows)


def _conv_relu_pool_gradients(gradient, cache, w):
    """Returns the gradients of x, w and b."""
    patches, windows = cache
    largest = windows == windows.max(axis=-1, keepdims=True)
    gradient = _windows_gradient(gradient[..., np.newaxis] * (largest & (windows > 0)))
    columns = gradient.reshape(-1, w.shape[-1])
    w_gradient = patches.reshape(-1, patches.shape[-1]).T @ columns
    x_gradient = _patches_gradient(gradient @ w.reshape(-1, w.shape[-1]).T, w.shape[2])
    return x_gradient, w_gradient.reshape(w.shape), columns.sum(axis=0)


def logits(x, parameters):
    return _forward(x, parameters)[0]


def _forward(x, parameters):
    conv1_w, conv1_b, conv2_w, conv2_b, fc1_w, fc1_b, fc2_w, fc2_b = parameters
    pool1, cache1 = _conv_relu_pool(x, conv1_w, conv1_b)
    pool2, cache2 = _conv_relu_pool(pool1, conv2_w, conv2_b)
    nodes = pool2.reshape(len(x), -1)
    fc1 = np.maximum(nodes @ fc1_w + fc1_b, 0)
    return fc1 @ fc2_w + fc2_b, (cache1, cache2, nodes, fc1)


def loss_and_gradients(x, labels, parameters):
    """labels: class numbers. Returns cross entropy + L2, and the gradients of all parameters."""
    _, _, conv2_w, _, fc1_w, _, fc2_w, _ = parameters
    y, (cache1, cache2, nodes, fc1) = _forward(x, parameters)
    n = len(x)
    probabilities = np.exp(y - y.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    cross_entropy = -np.log(probabilities[np.arange(n), labels]).mean()
    weights = parameters[::2]
    loss = cross_entropy + L2 * sum((w**2).sum() / 2 for w in weights)

    y_gradient = (probabilities - np.eye(10)[labels]) / n
    fc1_gradient = (y_gradient @ fc2_w.T) * (fc1 > 0)
    nodes_gradient = (fc1_gradient @ fc1_w.T).reshape(n, 7, 7, 64)
    pool1_gradient, conv2_w_gradient, conv2_b_gradient = _conv_relu_pool_gradients(
        nodes_gradient, cache2, conv2_w
    )
    _, conv1_w_gradient, conv1_b_gradient = _conv_relu_pool_gradients(
        pool1_gradient, cache1, parameters[0]
    )
    gradients = [
        conv1_w_gradient,
        conv1_b_gradient,
        conv2_w_gradient,
        conv2_b_gradient,
        nodes.T @ fc1_gradient,
        fc1_gradient.sum(axis=0),
        fc1.T @ y_gradient,
        y_gradient.sum(axis=0),
    ]
    for i in range(0, 8, 2):
        gradients[i] = gradients[i] + L2 * parameters[i]
    return loss, gradients


def train_step(x, labels, parameters, shadows, step, decay_steps):
    """The step after `step` steps. Returns the loss before it, the parameters, the shadows."""
    loss, gradients = loss_and_gradients(x, labels, parameters)
    learning_rate = 0.005 * 0.99 ** (step // decay_steps)
    parameters = [p - learning_rate * g for p, g in zip(parameters, gradients)]
    n = step + 1
    decay = min(0.99, (1 + n) / (10 + n))
    shadows = [decay * s + (1 - decay) * p for s, p in zip(shadows, parameters)]
    return loss, parameters, shadows

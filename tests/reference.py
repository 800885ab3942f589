"""The lecture's network and training step in NumPy and float64, written from its text alone."""

import numpy as np

SHAPES = [(5, 5, 1, 32), (32,), (5, 5, 32, 64), (64,), (3136, 512), (512,), (512, 10), (10,)]
L2 = 0.0001


def initial_parameters(seed=0):
    """Returns parameters of the size that training gives them, with biases that are not zero."""
    random = np.random.RandomState(seed)
    return [random.normal(0, 0.05, shape) for shape in SHAPES]


def _patches(x):
    """[n, rows, columns, channels] to [n, rows, columns, 25 * channels]: zero-padded 5x5."""
    n, rows, columns, channels = x.shape
    padded = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    shifted = [padded[:, i : i + rows, j : j + columns] for i in range(5) for j in range(5)]
    return np.stack(shifted, axis=3).reshape(n, rows, columns, 25 * channels)


def _conv(x, w):
    return _patches(x) @ w.reshape(-1, w.shape[-1])


def _doubled(x):
    return x.repeat(2, axis=1).repeat(2, axis=2)


def _conv_relu_pool(x, w, b):
    """Returns the pooled result, and the ReLU's before the pooling."""
    relu = np.maximum(_conv(x, w) + b, 0)
    n, rows, columns, kernels = relu.shape
    return relu.reshape(n, rows // 2, 2, columns // 2, 2, kernels).max(axis=(2, 4)), relu


def _conv_relu_pool_gradients(gradient, x, w, pool, relu):
    """Returns the gradients of x, w and b. No two equal pixels may be the largest of a pooling."""
    gradient = _doubled(gradient) * (relu == _doubled(pool)) * (relu > 0)
    x_gradient = _conv(gradient, w[::-1, ::-1].swapaxes(2, 3))
    columns = gradient.reshape(-1, w.shape[-1])
    w_gradient = _patches(x).reshape(len(columns), -1).T @ columns
    return x_gradient, w_gradient.reshape(w.shape), columns.sum(axis=0)


def logits(x, parameters):
    return _forward(x, parameters)[0]


def _forward(x, parameters):
    conv1_w, conv1_b, conv2_w, conv2_b, fc1_w, fc1_b, fc2_w, fc2_b = parameters
    pool1, relu1 = _conv_relu_pool(x, conv1_w, conv1_b)
    pool2, relu2 = _conv_relu_pool(pool1, conv2_w, conv2_b)
    nodes = pool2.reshape(len(x), -1)
    fc1 = np.maximum(nodes @ fc1_w + fc1_b, 0)
    return fc1 @ fc2_w + fc2_b, (relu1, pool1, relu2, pool2, nodes, fc1)


def loss_and_gradients(x, labels, parameters):
    """Returns cross entropy + L2, and the gradients of all parameters. labels: class numbers."""
    conv1_w, _, conv2_w, _, fc1_w, _, fc2_w, _ = parameters
    y, (relu1, pool1, relu2, pool2, nodes, fc1) = _forward(x, parameters)
    n = len(x)
    probabilities = np.exp(y - y.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    cross_entropy = -np.log(probabilities[np.arange(n), labels]).mean()
    loss = cross_entropy + L2 * sum((w**2).sum() / 2 for w in parameters[::2])

    y_gradient = (probabilities - np.eye(10)[labels]) / n
    fc1_gradient = (y_gradient @ fc2_w.T) * (fc1 > 0)
    pool2_gradient = (fc1_gradient @ fc1_w.T).reshape(pool2.shape)
    pool1_gradient, *conv2 = _conv_relu_pool_gradients(pool2_gradient, pool1, conv2_w, pool2, relu2)
    _, *conv1 = _conv_relu_pool_gradients(pool1_gradient, x, conv1_w, pool1, relu1)
    fc1_gradients = [nodes.T @ fc1_gradient, fc1_gradient.sum(axis=0)]
    gradients = [*conv1, *conv2, *fc1_gradients, fc1.T @ y_gradient, y_gradient.sum(axis=0)]
    return loss, [g + L2 * p if p.ndim > 1 else g for g, p in zip(gradients, parameters)]


def train_step(x, labels, parameters, shadows, step, decay_steps):
    """Returns the loss before step `step` (from 0), and the parameters and shadows after it."""
    loss, gradients = loss_and_gradients(x, labels, parameters)
    learning_rate = 0.005 * 0.99 ** (step // decay_steps)
    parameters = [p - learning_rate * g for p, g in zip(parameters, gradients)]
    n = step + 1
    decay = min(0.99, (1 + n) / (10 + n))
    return loss, parameters, [decay * s + (1 - decay) * p for s, p in zip(shadows, parameters)]

"""The rows that every model of the matrix is trained with and answers."""
import numpy as np
from sklearn import datasets

ROWS = 200
TRAIN = 300
WIDTH = 8

random = np.random.RandomState(20)


def grid(values):
    """Multiples of an eighth: thresholds lie between them, or are hit exactly."""
    return np.round(np.asarray(values) * 8) / 8


X, CLASS3 = datasets.make_classification(TRAIN + ROWS, WIDTH, n_informative=5, n_classes=3,
                                         random_state=1)
X = grid(X).astype(np.float32)
CLASS2 = (CLASS3 > 0).astype(np.int64)
CLASS3 = CLASS3.astype(np.int64)
NAMES2 = np.array(["no", "yes"])[CLASS2]
NAMES3 = np.array(["ant", "bee", "cow"])[CLASS3]
TARGET = (X @ np.linspace(-1, 1, WIDTH) + 0.25 * X[:, 0] * X[:, 1]).astype(np.float32)
TARGETS = np.stack([TARGET, X[:, 2] - X[:, 3]], axis=1).astype(np.float32)
POSITIVE = np.exp(TARGET / 4).astype(np.float32)
COUNTS = np.abs(np.round(X)).astype(np.float32)
MISSING = X.copy()
MISSING[random.rand(*MISSING.shape) < 0.15] = np.nan
COLOURS = np.array(["red", "green", "blue"])[random.randint(0, 3, TRAIN + ROWS)]
SIZES = np.array(["s", "m", "l", "xl"])[random.randint(0, 4, TRAIN + ROWS)]
TEXTS = np.stack([COLOURS, SIZES], axis=1)
WHOLE = random.randint(0, 5, (TRAIN + ROWS, 3)).astype(np.int64)

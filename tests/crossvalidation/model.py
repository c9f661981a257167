"""The diagnosis as a log-linear model: the log-odds of a cause are the sum of what the evidence adds, evened out by a
temperature. Fits weights and temperature to rows, by gradient, without any library."""
import collections
import math

LEAST_CONFIDENCE = 0.35  # below it doorslam says `unknown` (pipeline/diagnose/verdict.h)
WORDS = ("server-words", "client-words", "doubt")  # come from the signatures, not from the table of weights
TYPICAL_WEIGHT = 1.5
STEPS, RATE = 120, 0.15
CAP = 40.0  # connections of one program that count in full; more of them count less each


def log_odds(row, weights=None):
    """Sum of the terms by cause: with the weights given, or with those that doorslam has."""
    sums = collections.defaultdict(float)
    for evidence, cause, weight, strength in row.terms:
        sums[cause] += strength * (weight if weights is None or evidence in WORDS else weights[evidence, cause])
    return sums


def probabilities(sums, temperature):
    highest = max(max(sums.values()), 0.0)
    powers = {cause: math.exp((value - highest) / temperature) for cause, value in sums.items()}
    # The causes that nobody spoke of start at the same figure as all and stay there.
    rest = (21 - len(powers)) * math.exp(-highest / temperature)
    total = sum(powers.values()) + rest
    return {cause: power / total for cause, power in powers.items()}


def verdict(row, sums, temperature):
    """(cause, confidence) for a row."""
    if not row.terms:
        return row.said, row.confidence
    told = probabilities(sums, temperature)
    cause, confidence = max(told.items(), key=lambda item: item[1])
    return (cause, confidence) if confidence >= LEAST_CONFIDENCE else ("unknown", told["unknown"])


def blank_weights(rows):
    """What remains of the table when its figures are forgotten: which evidence speaks for or against which cause."""
    blank = {}
    for row in rows:
        for evidence, cause, weight, _ in row.terms:
            if evidence not in WORDS:
                blank[evidence, cause] = math.copysign(TYPICAL_WEIGHT, weight) if weight else 0.0
    return blank


def _folded(rows):
    """Rows that say the same are one, with their number."""
    per_program = collections.Counter(row.program for row in rows if row.terms)
    folded = collections.Counter()
    for row in rows:
        if row.terms:
            folded[row.terms, row.acceptable] += min(1.0, CAP / per_program[row.program])
    return folded


class _Folded:
    __slots__ = ("terms",)

    def __init__(self, terms):
        self.terms = terms


def fit_weights(rows, start, pull):
    """Weights that make the rows' true causes probable, pulled towards `start` (ridge). Adam, full batch."""
    weights = dict(start)
    first, second = collections.defaultdict(float), collections.defaultdict(float)
    data = [(_Folded(terms), acceptable, count) for (terms, acceptable), count in _folded(rows).items()]
    for step in range(1, STEPS + 1):
        slope = {key: pull * (weights[key] - start[key]) for key in weights}
        for row, acceptable, count in data:
            told = probabilities(log_odds(row, weights), 1.0)
            right = sum(told.get(cause, 0.0) for cause in acceptable) or 1e-9
            for evidence, cause, _, strength in row.terms:
                if evidence in WORDS:
                    continue
                wanted = told[cause] / right if cause in acceptable else 0.0
                slope[evidence, cause] += count * strength * (told[cause] - wanted)
        for key, value in slope.items():
            first[key] = 0.9 * first[key] + 0.1 * value
            second[key] = 0.99 * second[key] + 0.01 * value * value
            mean, spread = first[key] / (1 - 0.9**step), second[key] / (1 - 0.99**step)
            weights[key] -= RATE * mean / (math.sqrt(spread) + 1e-6)
    return weights


def fit_temperature(judged):
    """The temperature under which the (row, log-odds) are most probable."""
    def loss(temperature):
        total = 0.0
        for row, sums in judged:
            told = probabilities(sums, temperature)
            total -= math.log(max(1e-6, sum(told.get(cause, 0.0) for cause in row.acceptable)))
        return total

    return min((0.3 + 0.1 * step for step in range(48)), key=loss)


def figures(verdicts):
    """Macro-F1, accuracy, calibration error, share of confident mistakes and false alarms of [(row, cause, confidence)]."""
    confusion, bins = collections.Counter(), collections.defaultdict(lambda: [0, 0, 0.0])
    confident = alarms = 0
    for row, cause, confidence in verdicts:
        said = row.truth if cause in row.acceptable else cause
        right = said == row.truth
        confusion[row.truth, said] += 1
        confident += not right and confidence >= 0.9
        alarms += row.truth == "served" and said not in ("served", "client_abort", "unknown", "no record")
        one = bins[min(int(confidence * 10), 9)]
        one[0] += 1
        one[1] += right
        one[2] += confidence
    total = sum(confusion.values())
    scores = {}
    for cause in sorted({truth for truth, _ in confusion}):
        hit = confusion[cause, cause]
        labelled = sum(n for (truth, _), n in confusion.items() if truth == cause)
        said = sum(n for (_, told), n in confusion.items() if told == cause)
        scores[cause] = 2 * hit / (labelled + said) if hit else 0.0
    return {
        "connections": total, "macro_f1": sum(scores.values()) / len(scores),
        "accuracy": sum(n for (truth, said), n in confusion.items() if truth == said) / total,
        "calibration_error": sum(abs(right - sure) for _, right, sure in bins.values()) / total,
        "confident_mistakes": confident / total, "false_alarms": alarms, "f1": scores}

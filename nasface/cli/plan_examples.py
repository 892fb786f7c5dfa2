"""Plans that the help of ``nasface compare`` and ``nasface tune`` shows."""

PLAN_EXAMPLE = """\
name: two-ways                  # of the comparison
seeds: [0, 1, 2]                # one run of each method with each
metric: ap                      # or easy, medium, hard of WIDER FACE
data: DIR                       # or --data
search: {space: autofem, epochs: 8, warmup_epochs: 3}   # settings of nasface search
train: {epochs: 20, batch_size: 8}                      # settings of nasface train
methods:
  - {name: argmax, strategy: argmax}
  - {name: PC-DARTS, strategy: softmax, search: {epochs: 4, warmup_epochs: 1}}
  - {name: random, strategy: random}
  - {name: BiFPN, strategy: fixed, train: {detector: {neck: bifpn}}}
"""

MODELS_PLAN_EXAMPLE = """\
name: mine                      # of the comparison
models:
  - {name: D0, model: d0, reported: {milliseconds: 8.9, ap: 0.744}}
  - {name: mine, model: train/best.safetensors, beside: D0}   # they take turns
"""

TUNE_EXAMPLE = """\
name: rates                     # of the tuning
data: DIR                       # or --data
train: {model: d0, epochs: 27, batch_size: 8}           # settings of nasface train
trials: 16                      # drawn from the ranges
first_epochs: 1                 # of each trial; the best third goes on to 3, 9 and 27
ranges:
  optimizer.lr: {low: 0.0005, high: 0.02, log: true}
  loss.classification: [focal, hard_negatives]
"""

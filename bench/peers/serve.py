"""The other end of bench/common/subject.mjs: requests and answers are lines of JSON."""

import json
import os
import resource
import sys
import time

import torch

# What the program itself prints must not stand between the answers.
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)


def serve(prepare):
    """`prepare(options)` gives what answers a request."""
    answer = prepare(json.loads(sys.stdin.readline()))
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers)


def synchronize():
    """Waits for the GPU, where there is one at work."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def peak_memory():
    """Of the process, in bytes; on a GPU of its tensors."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def repeating(work):
    """What answers { repeats } with the best time of `work()`, a warm-up before them."""

    def seconds():
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    def run(request):
        return {"seconds": min(seconds() for _ in range(request["repeats"] + 1)), "peakMemory": peak_memory()}

    return run

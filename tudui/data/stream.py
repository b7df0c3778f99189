"""Images that do not fit on the device: each batch is read and sent while the one before is in use."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext

import torch
from torch import Tensor

SHARE = 0.6  # of the device's free memory that images may take; the rest is for the network and its batches
AHEAD = 2  # batches that are read before they are needed


def fits(size: int, device: torch.device) -> bool:
    """Return whether images of this many bytes fit on the device."""
    return device.type != "cuda" or size <= SHARE * torch.cuda.mem_get_info(device)[0]


def placed(store: Tensor, device: torch.device) -> Tensor:
    """Return images on the device, or as they are if they do not fit there."""
    return store.to(device) if fits(store.nbytes, device) else store


def stream(store: Tensor, batches: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
    """Yield the images [B, C, H, W] of each batch of rows int64 [B], on the device; `store` and rows are on the CPU.

    A thread reads them, and on a GPU sends them from pinned memory on a stream of its own.
    """
    sending = torch.cuda.Stream(device) if device.type == "cuda" else None

    def load(rows: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
        with torch.cuda.stream(sending) if sending else nullcontext():  # also the device of this thread
            images = torch.empty(len(rows), *store.shape[1:], dtype=store.dtype, pin_memory=sending is not None)
            torch.index_select(store, 0, rows, out=images)
            if sending is None:
                return images, None
            return images.to(device, non_blocking=True), sending.record_event()

    def arrived(loaded: Future[tuple[Tensor, torch.cuda.Event | None]]) -> Tensor:
        images, sent = loaded.result()
        if sent is not None:
            using = torch.cuda.current_stream(device)
            using.wait_event(sent)
            images.record_stream(using)  # its memory is not given to the next batch before the work on it is done
        return images

    with ThreadPoolExecutor(1) as thread:
        waiting: deque[Future[tuple[Tensor, torch.cuda.Event | None]]] = deque()
        for rows in batches:
            waiting.append(thread.submit(load, rows))
            if len(waiting) > AHEAD:
                yield arrived(waiting.popleft())
        while waiting:
            yield arrived(waiting.popleft())

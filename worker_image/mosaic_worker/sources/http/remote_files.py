"""Files on a server, read in ranges with few requests; a limited number of pages stays in memory."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import IO

from mosaic_crds.errors import RequestError

from mosaic_worker.sources.access.gate import redacted
from mosaic_worker.sources.http.client import Client, Part

PAGE = 16 * 2**10
HEAD = 64 * 2**10
"""Bytes that are read first; they contain the whole header of most files."""
GAP = 64 * 2**10
"""Two ranges with a smaller gap, in bytes, are read together."""
LARGEST_RANGE = 8 * 2**20
READ_AHEAD = 2 * 2**20
"""Maximum read-ahead of sequential reads, bytes."""
MEMORY = 64 * 2**20
"""Bytes of files in the cache of a process: a constant, independent of the request."""
REQUESTS = 8
"""Parallel requests of a process."""

Pages = dict[int, bytes]


class RemoteFiles:
    """The remote files of a process, with one client, one cache and one thread pool."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.lock = Lock()
        self.loading: dict[tuple[str, int], Future[Pages]] = {}
        self._files: dict[str, RemoteFile] = {}
        self._pages: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._bytes = 0
        self._threads: ThreadPoolExecutor | None = None

    def get(self, href: str) -> "RemoteFile":
        """The file of an admitted, unsigned URL; no request is sent yet."""
        with self.lock:
            return self._files.setdefault(href, RemoteFile(href, self))

    @property
    def threads(self) -> ThreadPoolExecutor:
        """The threads that send requests in the background."""
        with self.lock:
            self._threads = self._threads or ThreadPoolExecutor(REQUESTS, "ranges")
            return self._threads

    def find(self, key: tuple[str, int]) -> bytes | None:
        """A cached page; the caller holds the lock."""
        if key in self._pages:
            self._pages.move_to_end(key)
        return self._pages.get(key)

    def keep(self, href: str, pages: Pages) -> None:
        """Cache pages, and drop the least recently used ones; the caller holds the lock."""
        for page, content in pages.items():
            self._bytes += len(content) - len(self._pages.pop((href, page), b""))
            self._pages[href, page] = content
        while self._bytes > MEMORY:
            self._bytes -= len(self._pages.popitem(last=False)[1])

    def close(self) -> None:
        """End the threads without waiting for their requests."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


class RemoteFile:
    """A file on a server. The first response determines its size and identity; later responses must agree."""

    def __init__(self, href: str, files: RemoteFiles) -> None:
        self.href = href
        self._files = files
        self._said: tuple[int, str] | None = None
        self._next = 0
        self._ahead = PAGE

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._known()[0]

    @property
    def identity(self) -> str:
        """It changes with the content."""
        return self._known()[1]

    def _known(self) -> tuple[int, str]:
        if self._said is None:
            self._pages(range(HEAD // PAGE))
        assert self._said is not None  # noqa: S101 (set by a response, or an error is raised)
        return self._said

    def read(self, start: int, count: int) -> bytes:
        """Bytes [start, start + count), fewer at the end of the file.

        Raises:
            MosaicError: see `Client`.
        """
        stop = min(start + count, self.size)
        if stop <= start:
            return b""
        first, last = start // PAGE, (stop - 1) // PAGE
        found = self._pages(range(first, last + 1), read_on=True)
        content = b"".join(found[page] for page in range(first, last + 1))
        return content[start - first * PAGE : stop - first * PAGE]

    def prefetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Read ranges [start, stop) in the background; later reads find them or wait for them."""
        self._load(_pages_of(ranges), self._files.threads)

    def fetch(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Read ranges [start, stop) into the cache, in parallel."""
        for future in self._load(_pages_of(ranges), self._files.threads)[1]:
            future.result()

    @property
    def name(self) -> str:
        """Its name in messages."""
        return redacted(self.href)

    def save(self, target: IO[bytes]) -> None:
        """Write the whole file to `target`."""
        starts = range(0, self.size, LARGEST_RANGE)
        for part in self._files.threads.map(lambda start: self._part(start, start + LARGEST_RANGE), starts):
            target.write(part.content)

    def _pages(self, wanted: Sequence[int], read_on: bool = False) -> Pages:
        found, futures = self._load(wanted, None, read_on)
        for future in futures:
            found |= future.result()
        return found

    def _load(
        self, wanted: Sequence[int], threads: ThreadPoolExecutor | None, read_on: bool = False
    ) -> tuple[Pages, list[Future[Pages]]]:
        """The wanted pages that are cached, and futures of the others."""
        found, futures, missing = {}, [], []
        files = self._files
        with files.lock:
            for page in wanted:
                content = files.find((self.href, page))
                if content is not None:
                    found[page] = content
                elif (self.href, page) in files.loading:
                    futures.append(files.loading[self.href, page])
                else:
                    missing.append(page)
            if missing and read_on:
                missing = self._read_on(missing)
            runs = [(run, Future[Pages]()) for run in _runs(missing)]
            for run, future in runs:
                files.loading |= dict.fromkeys(((self.href, page) for page in run), future)
        for run, future in runs:
            if threads is None:
                self._run(run, future)
            else:
                threads.submit(self._run, run, future)
        return found, [*dict.fromkeys(futures), *(future for _, future in runs)]

    def _read_on(self, missing: list[int]) -> list[int]:
        """The missing pages and a read-ahead, which grows while reads are sequential."""
        self._ahead = min(2 * self._ahead, READ_AHEAD) if missing[0] == self._next else PAGE
        last = missing[-1] + self._ahead // PAGE - 1
        if self._said is not None:
            last = min(last, (self._said[0] - 1) // PAGE)
        self._next = last + 1
        more = range(missing[-1] + 1, last + 1)
        return missing + [
            page
            for page in more
            if self._files.find((self.href, page)) is None and (self.href, page) not in self._files.loading
        ]

    def _run(self, run: range, future: Future[Pages]) -> None:
        """Load a run of pages and complete its future."""
        pages: Pages = {}
        failure: BaseException | None = None
        try:
            content = self._part(run.start * PAGE, run.stop * PAGE).content
            pages = {page: content[(page - run.start) * PAGE :][:PAGE] for page in run}
        except BaseException as error:  # it is raised in the waiting thread
            failure = error
        with self._files.lock:
            for page in run:
                self._files.loading.pop((self.href, page), None)
            self._files.keep(self.href, pages)
        if failure is None:
            future.set_result(pages)
        else:
            future.set_exception(failure)

    def _part(self, start: int, stop: int) -> Part:
        size = None if self._said is None else self._said[0]
        client = self._files.client
        if size is not None and size <= HEAD:  # works even with servers that ignore ranges
            whole = client.part(self.href, 0, size, size)
            part = replace(whole, content=whole.content[start:stop])
        else:
            part = client.part(self.href, start, stop if size is None else min(stop, size), size)
        said = (part.size, part.identity)
        self._said = self._said or said
        if said != self._said:
            raise RequestError(f"{self.name} changed while it was read; run the request again")
        return part


def _pages_of(ranges: Iterable[tuple[int, int]]) -> list[int]:
    """The pages of some ranges, in order, without duplicates."""
    return sorted({page for start, stop in ranges for page in range(start // PAGE, -(-stop // PAGE))})


def _runs(pages: Sequence[int]) -> list[range]:
    """Sorted pages as runs of limited length; small gaps are filled."""
    runs: list[range] = []
    for page in pages:
        if runs and page - runs[-1].stop <= GAP // PAGE and (page + 1 - runs[-1].start) * PAGE <= LARGEST_RANGE:
            runs[-1] = range(runs[-1].start, page + 1)
        else:
            runs.append(range(page, page + 1))
    return runs

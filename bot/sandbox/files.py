"""Files that the bot uploaded or that people sent."""

import secrets
from dataclasses import dataclass
from pathlib import PurePosixPath

from bot.sandbox.parameters import Parameters, Upload
from bot.sandbox.refusals import bad_request
from bot.sandbox.shapes import Payload

_INVENTED_SIDE = 1280


@dataclass(frozen=True)
class StoredFile:
    """A file under its id; `content` is empty for files that only pretend to exist."""

    file_id: str
    path: str
    content_type: str
    content: bytes


class Files:
    """The files of one sandbox, in memory."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredFile] = {}

    def find(self, file_id: str) -> StoredFile | None:
        """A file by its id."""
        return self._by_id.get(file_id)

    def find_path(self, path: str) -> StoredFile | None:
        """A file by the path that getFile told."""
        return next((file for file in self._by_id.values() if file.path == path), None)

    def take(self, parameters: Parameters, name: str) -> Payload:
        """The file of a sendX call: uploaded, sent again by its id, or named by its address."""
        upload = parameters.upload(name)
        if upload is not None:
            return self._described(self._store(upload), file_name=upload.name)
        wanted = parameters.text(name)
        if wanted.startswith(("https://", "http://")):
            return self._described(self._store(Upload(PurePosixPath(wanted).name, "", b"")), source=wanted)
        if not wanted:
            raise bad_request(f"there is no {name} in the request")
        stored = self.find(wanted)
        if stored is None:
            raise bad_request("wrong file identifier/HTTP URL specified")
        return self._described(stored)

    # object: the descriptive fields of Telegram's file types.
    def invent(self, **details: object) -> Payload:
        """A file that a person sends; nobody will ever look inside."""
        name = str(details.get("file_name", "file"))
        return self._described(self._store(Upload(name, "", b"")), **details)

    def invent_photo(self) -> Payload:
        """A picture that a person sends."""
        return self.invent(width=_INVENTED_SIDE, height=_INVENTED_SIDE)

    def _store(self, upload: Upload) -> StoredFile:
        file_id = f"AgAC{secrets.token_urlsafe(24)}"
        suffix = PurePosixPath(upload.name).suffix[:8]
        file = StoredFile(file_id, f"files/{len(self._by_id)}{suffix}", upload.content_type, upload.content)
        self._by_id[file_id] = file
        return file

    def _described(self, file: StoredFile, **details: object) -> Payload:
        size = {"file_size": len(file.content)} if file.content else {}
        return {"file_id": file.file_id, "file_unique_id": f"AQ{file.file_id[4:18]}", **size, **details}

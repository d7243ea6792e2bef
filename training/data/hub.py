"""A data set on a hub, where others, or another machine, load it by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sandbox.errors import UnavailableError
from training.data.build import CARD, REPORT


class HubError(UnavailableError):
    """The data set did not reach the hub; the folder on this machine is whole."""


def push(folder: Path, name: str) -> str:
    """Upload a data set as `OWNER/NAME`, private where it is new; returns its address.

    The token is the hub's own: HF_TOKEN, or what `hf auth login` kept. Raises HubError where the hub refuses
    it, or cannot be reached.
    """
    import httpx
    from datasets import load_from_disk
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    api = HfApi()
    try:
        api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
        rows: Any = load_from_disk(str(folder))
        rows.push_to_hub(name, private=True)
        card = (folder / CARD).read_text(encoding="utf-8")
        for path, content in ((REPORT, (folder / REPORT).read_bytes()), (CARD, card.encode())):
            api.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=name, repo_type="dataset")
    except (HfHubHTTPError, HFValidationError, httpx.HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0][:300]
        raise HubError(
            f"{name} could not be pushed ({reason}); check the name and HF_TOKEN. The data set is in {folder}"
        ) from None
    return f"{api.endpoint}/datasets/{name}"

"""Rewards, policies and demonstrations on the Hugging Face Hub: what is pushed is a folder."""

from __future__ import annotations

from pathlib import Path

from sb3_vdb.files import expanded
from sb3_vdb.integrations.extras import needed

CARD = "README.md"
TAGS = "---\nlibrary_name: sb3_vdb\ntags:\n- imitation-learning\n- stable-baselines3\n---\n\n"


def push_to_hub(
    path: str | Path,
    repo_id: str,
    private: bool = False,
    token: str | None = None,
    message: str = "Files of sb3_vdb",
) -> str:
    """Upload a file or a folder. The Markdown beside a file goes with it, as the page of the
    repository.

    :param path: a file, for example of :func:`.to_safetensors`, or a folder
    :param repo_id: ``"user/name"``; it is made if it is not there
    :param private: whether a repository that is made can be seen by its owner alone
    :param token: of the account; None for the one that ``hf auth login`` stored
    :param message: of the commit
    :return: address of the commit
    :raises ImportError: `huggingface_hub` is missing
    :raises FileNotFoundError: there is nothing at the path
    """
    path = expanded(path)
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; save something first")
    api = needed("huggingface_hub").HfApi(token=token)
    api.create_repo(repo_id, private=private, exist_ok=True)
    if path.is_dir():
        done = api.upload_folder(folder_path=path, repo_id=repo_id, commit_message=message)
        return str(done)
    done = api.upload_file(
        path_or_fileobj=path, path_in_repo=path.name, repo_id=repo_id, commit_message=message
    )
    card = path.with_suffix(".md")
    if card.exists():
        text = card.read_text(encoding="utf-8")
        page = text if text.startswith("---") else TAGS + text
        api.upload_file(
            path_or_fileobj=page.encode(),
            path_in_repo=CARD,
            repo_id=repo_id,
            commit_message=message,
        )
    return str(done)


def from_hub(
    repo_id: str | Path, filename: str, revision: str | None = None, token: str | None = None
) -> Path:
    """Fetch a file, or take it from a local folder.

    :param repo_id: ``"user/name"``, or a folder that is there
    :param filename: in the repository
    :param revision: branch, tag or commit; name a commit where results have to be repeated
    :param token: of an account that may see it
    :return: where the file lies
    :raises ImportError: `huggingface_hub` is missing
    :raises FileNotFoundError: a local folder does not have the file
    """
    folder = expanded(repo_id)
    if folder.is_dir():
        if not (folder / filename).exists():
            present = ", ".join(sorted(each.name for each in folder.iterdir()))
            raise FileNotFoundError(f"{folder} has no {filename}; it has {present or 'nothing'}")
        return folder / filename
    download = needed("huggingface_hub").hf_hub_download
    return Path(download(str(repo_id), filename, revision=revision, token=token))

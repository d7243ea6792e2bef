"""The catalogue: small public instruct models, and the larger ones of the papers, each at one revision."""

from __future__ import annotations

from dataclasses import dataclass

HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Entry:
    """A public model under a short name.

    `revision` is a commit of its repository on the hub. `gigabytes` is about what is downloaded (10⁹ bytes);
    the hub says it exactly. `sha256` is that of its one weights file, "" where it has several: those are
    checked by the hashes that the hub lists for the revision.
    """

    name: str
    repo: str
    revision: str
    licence: str
    gigabytes: float
    sha256: str = ""
    for_gpu: bool = False


_QWEN_CODER = "Qwen/Qwen2.5-Coder"
CATALOGUE: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "qwen2.5-coder-0.5b",
            f"{_QWEN_CODER}-0.5B-Instruct",
            "ea3f2471cf1b1f0db85067f1ef93848e38e88c25",
            "Apache-2.0",
            1.0,
        ),
        Entry(
            "qwen2.5-coder-1.5b",
            f"{_QWEN_CODER}-1.5B-Instruct",
            "2e1fd397ee46e1388853d2af2c993145b0f1098a",
            "Apache-2.0",
            3.1,
        ),
        Entry(
            "smollm2-135m",
            "HuggingFaceTB/SmolLM2-135M-Instruct",
            "12fd25f77366fa6b3b4b768ec3050bf629380bac",
            "Apache-2.0",
            0.27,
            "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c",
        ),
        Entry(
            "smollm2-360m",
            "HuggingFaceTB/SmolLM2-360M-Instruct",
            "a10cc1512eabd3dde888204e902eca88bddb4951",
            "Apache-2.0",
            0.73,
        ),
        Entry(
            "qwen3-0.6b",
            "Qwen/Qwen3-0.6B",
            "c1899de289a04d12100db370d81485cdf75e47ca",
            "Apache-2.0",
            1.5,
            "f47f71177f32bcd101b7573ec9171e6a57f4f4d31148d38e382306f42996874b",
        ),
        Entry(
            "qwen2.5-coder-7b",
            f"{_QWEN_CODER}-7B-Instruct",
            "c03e6d358207e414f1eca0bb1891e29f1db0e242",
            "Apache-2.0",
            15.2,
            for_gpu=True,
        ),
        Entry(
            "qwen2.5-coder-14b",
            f"{_QWEN_CODER}-14B-Instruct",
            "aedcc2d42b622764e023cf882b6652e646b95671",
            "Apache-2.0",
            29.6,
            for_gpu=True,
        ),
        Entry(
            "r1-distill-qwen-7b",
            "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",
            "916b56a44061fd5cd7d6a8fb632557ed4f724f60",
            "MIT",
            15.2,
            for_gpu=True,
        ),
        Entry(
            "r1-distill-qwen-14b",
            "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",
            "1df8507178afcc1bef68cd8c393f61a886323761",
            "MIT",
            29.6,
            for_gpu=True,
        ),
        Entry(
            "qwen3-8b",
            "Qwen/Qwen3-8B",
            "b968826d9c46dd6066d109eabc6255188de91218",
            "Apache-2.0",
            16.4,
            for_gpu=True,
        ),
    )
}
FIRST = CATALOGUE["qwen2.5-coder-0.5b"]  # the one to begin with: it writes Python, and two cores run it

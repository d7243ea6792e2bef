"""The policy's copy at a vLLM server: checked before the first step, sent after steps, and looked after."""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.models.base import Sampling
from engine.models.local.chat import Chat, prompt_tokens
from engine.paths import expanded
from sandbox.errors import ExpectedError, UsageError
from training.recipes import GRPORecipe
from training.rollouts.door import PolicyDoor
from training.rollouts.generators import Generated
from training.rollouts.server import PolicyServer, ServerError, command
from training.trainers.checkpoints import replacing
from training.trainers.saving import merged

if TYPE_CHECKING:
    from training.trainers.hooks import Hooks

T = TypeVar("T")

# Nats a token, on average over a short completion. Kernels and bfloat16 make for 0.05 at most; other weights,
# or log-probabilities at another temperature, for more.
_MAX_GAP = 0.25
_SAMPLED = 24  # tokens
_GREEDY = Sampling(0.0, 1.0, 1, 0)
_MARKED = 256  # tokens


class ServedPolicy:
    """One for a trainer's rank. Rank 0 talks to the server about weights, every rank asks it for tokens."""

    def __init__(
        self,
        recipe: GRPORecipe,
        run_folder: Path,
        chat: Chat,
        hooks: Hooks,
        stack: contextlib.ExitStack,
    ) -> None:
        """The server is closed, and the folder of weights removed, with `stack`.

        Raises ServerError: there is no server at the recipe's address, it takes no weights, or it serves
        something else; and UsageError: there can be no folder.
        """
        given = recipe.generation
        self._recipe, self._chat, self._hooks = recipe, chat, hooks
        self._server = PolicyServer(given.server)
        stack.callback(self._server.close)
        served = self._server.served()
        self._check(served.name, served.context)
        self.door = PolicyDoor(served.name, given.server, self._server.endpoint, served.context)
        base = expanded(given.weights).absolute() if given.weights else run_folder.absolute()
        self._folder = base / f"policy-{run_folder.name}-{secrets.token_hex(4)}"
        self._sent: tuple[int, str] | None = None
        if os.environ.get("RANK", "0") == "0":
            for left in base.glob(f"policy-{run_folder.name}-*"):  # of a trainer that was killed
                shutil.rmtree(left, ignore_errors=True)
            try:
                self._folder.mkdir(parents=True)
            except OSError as error:
                raise UsageError(
                    f"generation.weights: {base} cannot be written to ({error.strerror}): name another folder"
                ) from None
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)

    def update(self, step: int) -> float | None:
        """Send the weights of the model in training, if that is due; collective.

        Calls under way are waited for, and others wait meanwhile, so that no completion is of two versions.
        Returns by how much the log-probabilities of a sample differ from the trainer's, in nats a token.
        Raises ServerError, and UnavailableError on a full disk.
        """
        if self._sent is not None and step - self._sent[0] < self._recipe.generation.every:
            return None
        trainer = self._hooks.trainer
        self.door.gate.hold()
        trainer.accelerator.wait_for_everyone()
        # Gathering weights takes every rank.
        state = trainer.accelerator.get_state_dict(trainer.model)
        if self._sent is None:
            self._round_trip(state)
        self._sent = step, self._on_first(lambda: self._send(f"step-{step:06d}", state))
        gap = self._gap()
        self.door.gate.open(step)
        return gap

    def confirm(self) -> None:
        """The server still has the weights that it was sent. Collective.

        Raises ServerError: it is gone, was started again, or was sent other weights.
        """
        assert self._sent is not None  # rollouts follow an update
        expected = self._sent[1]

        def same() -> None:
            if (found := self._server.version()) != expected:
                raise ServerError(
                    f"the server at {self._server.address} has other weights than it was sent ({found!r}): "
                    "it was started again, or is used by another training"
                )

        self._on_first(same)

    def _check(self, name: str, context: int) -> None:
        """Raises ServerError: the server's tokens are not those of the model in training, or too few."""
        recipe, address = self._recipe, self._server.address
        how = command("MODEL", recipe.data.max_length, address)
        text = self._chat.tokenizer.decode(self._prompt())
        if self._server.tokens(name, text) != prompt_tokens(self._chat.tokenizer, text):
            raise ServerError(
                f"the server at {address} serves {name}, whose tokens are not those of {recipe.model.base}: "
                f"start it with that model ({how})"
            )
        if context < recipe.data.max_length:
            raise ServerError(
                f"the server at {address} takes {context} tokens, and data.max_length is "
                f"{recipe.data.max_length}: start it with --max-model-len {recipe.data.max_length}, or set "
                "data.max_length lower"
            )

    def _prompt(self) -> list[int]:
        return self._chat.prompt([{"role": "user", "content": "Write a workflow: def f(x): return x + 1"}])[0]

    def _on_first(self, work: Callable[[], T]) -> T:
        """What rank 0 gets from `work`, on every rank. Raises ServerError on each where it cannot."""
        from accelerate.utils import broadcast_object_list

        found: list[Any] = [None, None]
        if self._hooks.trainer.accelerator.is_main_process:
            try:
                found = [work(), None]
            except ExpectedError as error:
                found = [None, str(error)]
        broadcast_object_list(found, from_process=0)
        if found[1] is not None:
            raise ServerError(
                f"{found[1]}; the checkpoints so far are whole: put that right and resume the job"
            )
        return found[0]

    def _send(self, name: str, state: dict[str, Any]) -> str:
        """Write the weights and have the server read them; the version they go by there."""
        model = self._unwrapped()
        if self._recipe.lora.enabled:
            state, model = merged(state, model), model.get_base_model()
        folder = self._folder / name
        with replacing(folder) as fresh:
            model.save_pretrained(fresh, state_dict=state)
        version = f"{self._folder.name}/{name}"
        self._server.load(folder, version)
        for other in self._folder.iterdir():
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        return version

    def _unwrapped(self) -> Any:
        trainer = self._hooks.trainer
        return trainer.accelerator.unwrap_model(trainer.model)

    def _round_trip(self, state: dict[str, Any]) -> None:
        """Send weights with a mark and look for it in what the server replies; collective.

        The server most likely has the weights in training already, so that these would prove nothing. In the
        marked ones many tokens that the prompt lacks share the output weights of the likeliest one, and so
        its probability. Raises ServerError where that does not arrive.
        """
        prompt = self._prompt()
        logits = self._logits(prompt)[-1]
        likeliest = int(logits.argmax())
        alike = [token for token in range(len(logits)) if token not in {*prompt, likeliest}][:_MARKED]
        logits[alike] = logits[likeliest].item()
        expected = logits.log_softmax(-1)[likeliest].item()
        outputs = self._unwrapped().get_output_embeddings().weight
        names = [
            called
            for called, weights in self._unwrapped().named_parameters(remove_duplicate=False)
            if weights is outputs
        ]

        def sent() -> Generated:
            marked = dict(state)
            for name in names:
                marked[name] = state[name].clone()
                marked[name][alike] = state[name][likeliest]
            self._send("check", marked)
            return self.door.generate([prompt], [_GREEDY])[0]

        def arrived() -> None:
            made = sent()
            found = made.logps[0] if made.logps else math.nan
            if not {*made.ids} <= {*alike, likeliest} or not abs(found - expected) <= _MAX_GAP:
                raise ServerError(
                    f"the server at {self._server.address} did not take up the weights that it was sent "
                    f"(the log-probability of a token is {found:.2f}, not {expected:.2f}): on CPUs vLLM 0.32 "
                    "keeps the output layer of a model whose embeddings are tied to it"
                )

        self._on_first(arrived)

    def _logits(self, tokens: list[int]) -> Any:
        """The trainer's, for each of the tokens: (tokens, vocabulary), float32, without a gradient;
        collective.
        """
        import torch

        trainer = self._hooks.trainer
        network, ids = trainer.model_wrapped, torch.tensor([tokens], device=trainer.accelerator.device)
        was_training = network.training
        network.eval()
        with torch.no_grad():
            logits = network(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].float()
        network.train(was_training)
        return logits

    def _gap(self) -> float:
        """Mean difference of a sample's log-probabilities, the server's and the trainer's; collective.

        Raises ServerError where it is larger than kernels make it.
        """
        import torch

        address, prompt = self._server.address, self._prompt()
        sampling = Sampling(self._recipe.rollouts.temperature, 1.0, _SAMPLED, 0)
        made: Generated = self._on_first(lambda: self.door.generate([prompt], [sampling])[0])
        logits = self._logits(prompt + made.ids)[len(prompt) - 1 : -1]
        ids, theirs = (torch.tensor(values, device=logits.device) for values in (made.ids, made.logps))

        def gap(temperature: float) -> float:
            ours = (logits / temperature).log_softmax(-1).gather(-1, ids[:, None])[:, 0]
            return (ours - theirs).abs().mean().item()

        def judged() -> float:
            found = gap(made.temperature)
            if found > _MAX_GAP:
                plain = made.temperature != 1.0 and gap(1.0) <= _MAX_GAP
                what = (
                    "start it with --logprobs-mode processed_logprobs" if plain else "is it the same model?"
                )
                raise ServerError(
                    f"the log-probabilities of the server at {address} differ from those in training by "
                    f"{found:.2f} nats a token: {what}"
                )
            return found

        return self._on_first(judged)

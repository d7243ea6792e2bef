"""The words by which endpoints say how an answer ended, and what each of them means.

A word in none of the lists means "unknown": such an answer is kept and marked, never taken for a whole one.
"""

from __future__ import annotations

import re
from typing import Literal

Ending = Literal["complete", "truncated", "refused", "failed", "unknown"]

# In lower case, with underscores. OpenAI, Anthropic, Gemini, Mistral, DeepSeek, Cohere, Bedrock, Zhipu, vLLM,
# SGLang, TGI, llama.cpp and the gateways in front of them.
WORDS: dict[Ending, str] = {
    "complete": """
        stop stop_sequence stop_token stop_str eos eos_token end end_turn endoftext complete completed done
        finished success tool_call tool_calls tool_use function_call
    """,
    # At a limit of tokens: asking again gives the same.
    "truncated": """
        length max_length model_length max_tokens max_new_tokens max_output_tokens max_completion_tokens limit
        error_limit output_limit token_limit token_limit_reached context_length context_length_exceeded
        context_window_exceeded model_context_window_exceeded incomplete truncated
    """,
    # Withheld for what it says: asking again is refused again.
    "refused": """
        content_filter content_filtered contentfilter filtered safety image_safety recitation blocklist
        prohibited_content spii sensitive refusal refused moderation moderated blocked guardrail guardrails
        guardrail_intervened policy policy_violation error_toxic language
    """,
    # The endpoint's own trouble: another attempt may go better.
    "failed": """
        error errored abort aborted cancel cancelled canceled insufficient_system_resource network_error
        timeout timed_out interrupt interrupted overloaded engine_overloaded server_error internal_error
        unavailable preempted evicted disconnected failed failure exception malformed_function_call
        malformed_response unexpected_tool_call other unspecified
    """,
}
_ENDINGS: dict[str, Ending] = {word: ending for ending, words in WORDS.items() for word in words.split()}


def ending_of(word: str) -> Ending:
    """How an answer ended where the endpoint says `word`, in any case and with any prefix."""
    plain = re.sub(r"[\s-]+", "_", word.strip()).lower().rsplit(".", 1)[-1]
    return _ENDINGS.get(plain.removeprefix("finish_reason_"), "unknown")

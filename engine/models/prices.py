"""What a call costs, where the price is known."""

from __future__ import annotations


def cost_usd(
    base_url: str, model: str, tokens_in: int, tokens_out: int, tokens_cached: int = 0
) -> float | None:
    """The price of a call in US dollars, or None where the provider or the model has no known price.

    The provider is recognised by its URL and never guessed from the model's name: the same model costs
    nothing on one's own machine and has another price at a reseller. `tokens_cached` is the part of
    `tokens_in` that the provider served from its prompt cache. The first call loads the price table (about
    0.1 s).
    """
    from genai_prices import Usage, calc_price

    usage = Usage(
        input_tokens=tokens_in, output_tokens=tokens_out, cache_read_tokens=min(tokens_cached, tokens_in)
    )
    try:
        return float(calc_price(usage, model, provider_api_url=base_url).total_price)
    except LookupError:
        return None

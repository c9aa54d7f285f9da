"""The Chat on Slack. See `chat.py` for what it promises."""

from controller.adapters.slack.blocks import blocks, render_text
from controller.adapters.slack.chat import SlackChat

__all__ = ["SlackChat", "blocks", "render_text"]

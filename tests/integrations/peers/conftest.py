"""The plugins here put adapters in the place of peers' classes when they are imported: only the peers' own tests may load them."""

collect_ignore = ["agents_session.py", "anthropic_memory_tool.py", "langgraph_store.py"]

"""The working level: what the next prompt contains.

Everything an agent did lies step by step in a `ChunkLog` (`chunks`), verbatim and never shortened. A `WorkingMemory` (`protocol`)
decides what of it the next prompt shows under a budget of tokens: all of it, a window or a summary (`history`), or what the
current subgoal needs (`subgoals`). A `TraceSink` passes the steps on to a store, so that they outlive the task.
"""

"""What the benchmark of vector indexes is made of: sets, truth, systems, the processes they run in, and what is measured."""

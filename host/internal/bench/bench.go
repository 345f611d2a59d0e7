// Package bench measures what several parts of the host cost together: the door with what stands behind it, and the way
// of a job from its queue through a plugin and back. It holds benchmarks alone, each beside a floor that does the same
// without us. Those of one part stand beside its code; test/bench runs them all and puts them into one table.
package bench

// Package product measures the real binaries from outside: the host, its plugins and a redis-server as processes, over
// HTTP on loopback. It holds benchmarks alone; ../ runs them with those of the parts and puts all into one table.
package product

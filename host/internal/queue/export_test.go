package queue

// Beside makes cfg a second node on the embedded queue of q.
func Beside(cfg Config, q *Queue) Config {
	cfg.beside = q
	return cfg
}

package main

import (
	"time"

	"github.com/gatehouse-go/gatehouse/internal/integration/cputime"
)

// process is a process that is measured together with its children, such as those of PostgreSQL.
type process struct {
	name string
	pid  int
}

// used returns the time that each process has had on processors.
func used(processes []process) ([]time.Duration, error) {
	times := make([]time.Duration, len(processes))
	for i, p := range processes {
		var err error
		if times[i], err = cputime.Of(p.pid); err != nil {
			return nil, err
		}
	}
	return times, nil
}

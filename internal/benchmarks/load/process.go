package main

import (
	"strconv"
	"strings"
	"time"
)

// process is a process that is measured together with others.
type process struct {
	name string
	pid  int
	of   func(pid int) (time.Duration, error)
}

// processFlag returns a flag that adds a process.
func (d *drive) processFlag(of func(pid int) (time.Duration, error)) func(string) error {
	return func(text string) error {
		name, id, _ := strings.Cut(text, "=")
		pid, err := strconv.Atoi(id)
		d.processes = append(d.processes, process{name, pid, of})
		return err
	}
}

// used returns the time that processes have had on processors, by their names.
func used(processes []process) (map[string]time.Duration, error) {
	times := map[string]time.Duration{}
	for _, p := range processes {
		spent, err := p.of(p.pid)
		if err != nil {
			return nil, err
		}
		times[p.name] += spent
	}
	return times, nil
}

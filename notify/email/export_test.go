package email

import "github.com/gatehouse-go/gatehouse/notify"

// Begun returns of how many notices a sink remembers what became of them.
func Begun(s notify.Sink) int { return len(s.(*sink).begun) }

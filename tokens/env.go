package tokens

import (
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// env is all that a token's transition knows of the world.
type env struct {
	core.Env
	secondFactorOnly bool // tokens without a second factor behind them do not work once their owner has one
}

func (e env) unix() int64 { return e.Now.Unix() }

// latest returns the latest moment that a clock of the service can have set by now as one that lies so many seconds
// ahead.
func (e env) latest(seconds int64) int64 { return e.unix() + seconds + int64(core.Ahead/time.Second) }

package engine

import (
	"context"
	"errors"

	"github.com/gatehouse-go/gatehouse/internal/queue"
)

// place is what a change of an account holds in this process: the account's turn, so that changes follow one
// another and each sees what the one before has left, and for Argon2id the account's place in the line of those
// that need it. A burst of guesses then finds the lock instead of spending keys, Argon2id and conflicting saves.
// Correctness does not rest on it, but on the store's compare-and-swap.
//
// Nobody holds a turn while they wait for Argon2id or run it, so a code of an app never waits for that.
type place struct {
	e      *Engine
	id     string
	turn   func() // gives it back; nil: not held
	inLine func() // the same for the place in the line
}

func (p *place) takeTurn(ctx context.Context) error {
	turn, _, err := p.e.turns.Take(ctx, p.id)
	p.turn = turn
	return busy(err)
}

// queue gives the turn back and waits for the account's place in the line. It reports whether the account can have
// changed meanwhile by somebody who stood there before.
func (p *place) queue(ctx context.Context) (waited bool, err error) {
	p.leaveTurn()
	if p.inLine != nil {
		return false, nil
	}
	inLine, alone, err := p.e.line.Take(ctx, p.id)
	p.inLine = inLine
	return !alone, busy(err)
}

func (p *place) leaveTurn() {
	if p.turn != nil {
		p.turn()
		p.turn = nil
	}
}

func (p *place) leave() {
	p.leaveTurn()
	if p.inLine != nil {
		p.inLine()
		p.inLine = nil
	}
}

func busy(err error) error {
	if errors.Is(err, queue.ErrFull) {
		return ErrBusy
	}
	return err
}

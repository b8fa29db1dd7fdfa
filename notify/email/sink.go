package email

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/words"
)

// maxBegun bounds the notices of which it is remembered what became of each address.
const maxBegun = 4096

// sink writes to each address by itself. One that has taken a notice is not written to again while another fails, as
// long as the process remembers.
type sink struct {
	Config

	mu    sync.Mutex
	begun map[string]map[string]result // of notices that are not delivered yet, by their IDs; then by address
}

// result is what became of a mail. A failed one is tried again.
type result uint8

const (
	failed result = iota
	taken
	refused
)

// Deliver implements notify.Sink.
func (s *sink) Deliver(ctx context.Context, n event.Notice) error {
	to, err := s.Recipient(ctx, n.AccountID)
	if err != nil || len(to.Addresses) == 0 {
		return err
	}
	addresses := plain(to.Addresses)
	if len(addresses) == 0 {
		return errNoAddress
	}
	m, err := s.message(n, words.Match(to.Language))
	if err != nil {
		return err
	}
	var errs []error
	count := map[result]int{}
	for i, address := range addresses {
		r := s.before(n.ID, address)
		if r == failed {
			m.To = address
			r, err = s.send(ctx, n, m, len(addresses)-i)
			errs = append(errs, err)
		}
		count[r]++
	}
	if count[failed] > 0 {
		return errors.Join(errs...)
	}
	s.forget(n.ID)
	if count[taken] == 0 { // and all are tried again, those too that were refused at a try before and have no error here
		return errors.Join(append(errs, errNobody)...)
	}
	return nil
}

// message returns the mail of a notice, to nobody yet.
func (s *sink) message(n event.Notice, language string) (Message, error) {
	t := textOf(words.New(language, nil), n, s.Name, s.Page)
	html, err := t.html()
	return Message{ID: n.ID, Language: language, Subject: t.Subject, Text: t.plain(), HTML: html}, err
}

// send sends a mail to the first of so many addresses that are left, and remembers what became of it.
func (s *sink) send(ctx context.Context, n event.Notice, m Message, left int) (result, error) {
	if until, ok := ctx.Deadline(); ok { // an address that hangs leaves time for the others
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(until)/time.Duration(left))
		defer cancel()
	}
	err := s.call(ctx, m)
	r := taken
	switch {
	case errors.Is(err, ErrRefused):
		r = refused
		s.Faults.WarnContext(ctx, "email: an address of an owner is refused", "account", n.AccountID, "notice", n.ID, "error", err)
	case err != nil:
		return failed, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun[m.ID] == nil {
		if len(s.begun) >= maxBegun {
			for other := range s.begun { // whose addresses may be told twice
				delete(s.begun, other)
				break
			}
		}
		s.begun[m.ID] = map[string]result{}
	}
	s.begun[m.ID][m.To] = r
	return r, err
}

// call calls Send. One that panics for an address leaves the others theirs.
func (s *sink) call(ctx context.Context, m Message) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	return s.Send(ctx, m)
}

// before returns what became of an address at a try before, failed if there was none.
func (s *sink) before(notice, address string) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.begun[notice][address]
}

func (s *sink) forget(notice string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.begun, notice)
}

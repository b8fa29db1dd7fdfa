package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/gatehouse-go/gatehouse/storage"
)

// answer is what a store says to a call: an error or a value.
type answer struct {
	value any // a storage.Record, a loaded, or rows; nil for a write
	err   error
	given []byte // what the store was given
}

// loaded is what LoadToken returns.
type loaded struct {
	Token storage.TokenRecord
	Owner storage.AccountIndex
}

// row is a record of any listing: a storage.Record or a storage.TokenRecord.
type row struct {
	id     string
	record any
}

// rows is a page of any listing.
type rows struct {
	all  []row
	more bool
}

func accountRows(p storage.Page[storage.Record], err error) (rows, error) {
	all := rows{more: p.More}
	for _, r := range p.Records {
		all.all = append(all.all, row{r.ID, r})
	}
	return all, err
}

func tokenRows(p storage.Page[storage.TokenRecord], err error) (rows, error) {
	all := rows{more: p.More}
	for _, t := range p.Records {
		all.all = append(all.all, row{t.ID, t})
	}
	return all, err
}

// scribble is what a caller may do with a slice that is its own.
func scribble(data []byte) {
	for i := range data {
		data[i] ^= 0xa5
	}
}

// forget scribbles over what a store was given and what it has returned: both are the caller's. It returns what is wrong with
// that. A statement that nobody waits for may still read what it was given.
func (a answer) forget() string {
	if !errors.Is(a.err, context.Canceled) && !errors.Is(a.err, context.DeadlineExceeded) {
		scribble(a.given)
	}
	switch v := a.value.(type) {
	case storage.Record:
		scribble(v.Data)
	case loaded:
		scribble(v.Token.Data)
	case rows:
		return v.forget()
	}
	return ""
}

// differs says how an answer is not the model's; "" where it is.
func differs(got, want answer) string {
	if want.err != nil || got.err != nil {
		if want.err == nil || !errors.Is(got.err, sentinel(want.err)) {
			return fmt.Sprintf("answers %s, want %s", errText(got.err), errText(want.err))
		}
		return ""
	}
	if want.value == nil {
		return ""
	}
	return strings.Join(different(reflect.ValueOf(got.value), reflect.ValueOf(want.value)), "; ")
}

var sentinels = []error{storage.ErrNotFound, storage.ErrConflict, storage.ErrInvalid, context.Canceled, context.DeadlineExceeded}

// sentinel returns what an error of the model is.
func sentinel(err error) error {
	for _, target := range sentinels {
		if errors.Is(err, target) {
			return target
		}
	}
	return err
}

func errText(err error) string {
	if err == nil {
		return "no error"
	}
	if target := sentinel(err); target != err && errors.Is(err, target) {
		return fmt.Sprintf("%q (errors.Is %q)", err, target)
	}
	return fmt.Sprintf("%q", err)
}

// forget scribbles over a page: its rows share no buffer, with each other or the store.
func (p rows) forget() string {
	for i := range p.all {
		was := []byte(nil)
		if i+1 < len(p.all) {
			was = bytes.Clone(p.all[i+1].data())
		}
		data := p.all[i].data()
		_ = append(data, "more than there is room for between two records"...)
		scribble(data)
		if i+1 < len(p.all) && !bytes.Equal(was, p.all[i+1].data()) {
			return "a caller has changed the data of one row of the page, and the next row has changed: rows share no buffer"
		}
	}
	return ""
}

func (r row) data() []byte {
	if a, ok := r.record.(storage.Record); ok {
		return a.Data
	}
	return r.record.(storage.TokenRecord).Data
}

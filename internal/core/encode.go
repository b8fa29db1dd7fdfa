package core

import (
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/internal/wire"
)

// ErrFormat says that stored data is no account or token, or is one that a newer version has written.
var ErrFormat = errors.New("gatehouse: stored record cannot be read")

const (
	accountRecord = 'A'
	// accountFormat is the number of the encoding. A change that an older program must not overlook (a new kind of
	// factor, a new kind of event, a new reason to deny) raises it: see "Encoding" in docs/design.md.
	accountFormat = 1

	accountSize = 1280 // bytes to make room for
)

// Encode returns what the store keeps. Equal accounts have equal encodings. It is an error if Decode could not read
// it: once saved, nobody could get in any more.
func (a Account) Encode() ([]byte, error) {
	c := wire.NewWriter(accountRecord, accountFormat, accountSize)
	a.code(&c)
	data, err := c.Written()
	if err != nil {
		return nil, fmt.Errorf("gatehouse: an account cannot be stored: %w", err)
	}
	return data, nil
}

// Decode reads the data of an account and keeps it: data must not be changed any more. What it does not know it refuses:
// a field or a number that is new could be a reason to deny, and an older program would drop it at its next save.
func Decode(id string, data []byte) (Account, error) {
	c, err := wire.NewReader(data, accountRecord, accountFormat)
	if err != nil {
		return Account{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	a := Account{ID: id}
	a.code(&c)
	if err := c.Done(); err != nil {
		return Account{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if what := a.broken(); what != "" {
		return Account{}, fmt.Errorf("%w: %s", ErrFormat, what)
	}
	return a, nil
}

// Package email makes mails of notices, in the languages of package securitypage, and hands them to a function of the
// host's that sends them.
package email

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/url"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/notify"
)

// Recipient is the owner of an account, as the host knows them.
type Recipient struct {
	// Addresses gets all that the host has of the owner, and not only the latest: whoever has taken an account over may
	// have changed that. One that is no plain address, such as "ada@acme.test", is passed over.
	Addresses []string
	// Language is a BCP 47 tag, or a field Accept-Language. Defaults to English.
	Language string
}

// Config says how mails are made. All of it must be set, but for Faults.
type Config struct {
	// Name is the name of the service, with which each subject begins: up to 100 bytes.
	Name string
	// Page is the URL of the Security page: "https://acme.test/settings/security". Each mail has a link to the plan there
	// for what was not the owner's doing. To follow it changes nothing: mail scanners do.
	Page string
	// Recipient returns the owner of an account. Without an address there is nobody to tell, and the notice counts as
	// told; an error has it tried again.
	Recipient func(ctx context.Context, account string) (Recipient, error)
	// Send sends a mail to one address. An error has it tried again, and one that wraps ErrRefused has the address passed
	// over where another one takes the notice. A panic counts as an error. Each address has an equal part of the time that is
	// left.
	Send func(ctx context.Context, m Message) error
	// Faults is told of addresses that are passed over. Defaults to slog.Default.
	Faults *slog.Logger
}

const maxName = 100

// ErrRefused says that an address takes no mails and that another try would change nothing: there is no such mailbox. Send
// wraps it. A server that refuses the sender, or is busy, is none of that.
var ErrRefused = errors.New("the address is refused")

var (
	// errNoAddress says that each address of an owner is no plain address.
	errNoAddress = errors.New("no address of the owner can be written to")
	errNobody    = fmt.Errorf("no address of the owner takes the notice: %w", ErrRefused)
	errPanicked  = errors.New("Config.Send has panicked")
)

// New returns a Sink. It is gatehouse.ErrInvalid if the Config lacks something.
func New(c Config) (notify.Sink, error) {
	u, err := url.Parse(c.Page)
	switch {
	case c.Name == "" || len(c.Name) > maxName || oneLine(c.Name) != c.Name:
		return nil, fmt.Errorf("%w: the name of the service is 1 to %d bytes on one line", gatehouse.ErrInvalid, maxName)
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%w: Page is the whole URL of the Security page", gatehouse.ErrInvalid)
	case c.Recipient == nil || c.Send == nil:
		return nil, fmt.Errorf("%w: Recipient and Send are needed", gatehouse.ErrInvalid)
	}
	if c.Faults == nil {
		c.Faults = slog.Default()
	}
	c.Page = strings.TrimRight(c.Page, "/")
	return &sink{Config: c, begun: map[string]map[string]result{}}, nil
}

// plain returns the addresses that can be written into a header as they are, each once.
func plain(addresses []string) (out []string) {
	seen := map[string]bool{}
	for _, a := range addresses {
		if isPlain(a) && !seen[a] {
			seen[a] = true
			out = append(out, a)
		}
	}
	return out
}

func isPlain(address string) bool {
	parsed, err := mail.ParseAddress(address)
	return err == nil && parsed.Address == address && oneLine(address) == address
}

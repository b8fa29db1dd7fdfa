// Package notify delivers what the owners of accounts must be told: a new authenticator, a used recovery code, a token
// in the wrong hands. NIST SP 800-63B-4 §4.6 makes such notices a SHALL.
//
// With gatehouse.Config.Notices each such change keeps a notice in the account, in the same write. [New] makes a Service,
// and [Service.Drain] hands the notices to a [Sink] until its context ends:
//
//	n, err := notify.New(svc, notify.Config{})
//	go n.Drain(ctx, sink)
//
// A notice is delivered at least once, whatever dies in between, and those of one account in order, but for one that the
// Sink refuses again and again. One that is delivered twice has the same ID. Any number of processes may run Drain on the
// same store: they take turns with an account. [Service.Lag] says how far behind they are.
//
// Each account keeps at most three notices of a kind, or one of a token: what happens once more while they wait is
// counted in the latest, which becomes another notice, with a Count. So nothing that somebody can repeat fills a record.
//
// Sign-ins are no notices; a gatehouse.Config.Observer hears of those.
package notify

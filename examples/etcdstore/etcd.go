package etcdstore

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"

	"github.com/gatehouse-go/gatehouse/storage"
)

// tx is a transaction of etcd's client.
type tx struct{ concurrency.STM }

// update makes a change. It reads keys at one moment, and writes if they are unchanged: otherwise it begins again. No
// request is repeated, so that an answer that is lost is an error and not a conflict.
func (s *Store) update(ctx context.Context, keys []string, change func(tx) error, ids ...string) error {
	if err := check(ctx, ids...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := concurrency.NewSTM(s.client, func(stm concurrency.STM) error { return change(tx{stm}) },
		concurrency.WithIsolation(concurrency.Serializable), concurrency.WithPrefetch(keys...),
		concurrency.WithAbortContext(ctx))
	return err
}

func (tx tx) load(record any, id string, parts ...string) error {
	var values []string
	for _, key := range keys([]string{id}, parts...) {
		values = append(values, tx.Get(key))
	}
	return decode(record, values)
}

func (tx tx) save(key string, record any, version int64, expected bool) error {
	if version == 0 {
		return storage.ErrInvalid
	}
	if !expected {
		return storage.ErrConflict
	}
	data, err := json.Marshal(record)
	tx.Put(key, string(data))
	return err
}

// load reads a record as of a revision, of which 0 is the latest, and returns the revision.
func (s *Store) load(ctx context.Context, rev int64, record any, id string, parts ...string) (int64, error) {
	if err := check(ctx, id); err != nil {
		return 0, err
	}
	values, rev, err := s.read(ctx, rev, keys([]string{id}, parts...))
	return rev, errors.Join(err, decode(record, values))
}

// read returns what is stored under keys as of a revision; empty: nothing.
func (s *Store) read(ctx context.Context, rev int64, keys []string) ([]string, int64, error) {
	var gets []clientv3.Op
	for _, key := range keys {
		gets = append(gets, clientv3.OpGet(key, clientv3.WithRev(rev)))
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	resp, err := s.client.Txn(ctx).Then(gets...).Commit()
	if errors.Is(err, rpctypes.ErrCompacted) {
		err = storage.ErrConflict // the revision is gone
	}
	if err != nil {
		return nil, 0, err
	}
	values := make([]string, len(keys))
	for i, r := range resp.Responses {
		for _, kv := range r.GetResponseRange().Kvs {
			values[i] = string(kv.Value)
		}
	}
	return values, resp.Header.Revision, nil
}

// ids returns what follows prefix in keys, from the least key that can follow after, and the revision of that.
func (s *Store) ids(ctx context.Context, prefix, after string, limit int) (ids []string, more bool, rev int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	end := clientv3.WithRange(clientv3.GetPrefixRangeEnd(prefix))
	resp, err := s.client.Get(ctx, prefix+after+"\x00", end, clientv3.WithKeysOnly(), clientv3.WithLimit(int64(limit)))
	if err != nil {
		return nil, false, 0, err
	}
	for _, kv := range resp.Kvs {
		ids = append(ids, string(kv.Key[len(prefix):]))
	}
	return ids, resp.More, resp.Header.Revision, nil
}

// list returns a page of the records whose IDs follow prefix in keys, without those that ended reports; nil keeps all.
// Each call of ids makes etcd count all keys up to the end of the prefix, whatever the limit, so there is one for a page
// unless records are left out.
func list[T any](ctx context.Context, s *Store, prefix, after string, limit int, ended func(T) bool, parts []string,
	owner ...string) (page storage.Page[T], err error) {
	if err = check(ctx, owner...); err != nil {
		return page, err
	}
	if limit < 1 || after != "" && storage.CheckID(after) != nil {
		return page, storage.ErrInvalid
	}
	limit = min(limit, maxPage)
	var all []T
	for more := true; more && len(all) <= limit; {
		var ids []string
		var rev int64
		if ids, more, rev, err = s.ids(ctx, prefix, after, limit+1-len(all)); err != nil {
			return page, err
		}
		next, err := records[T](ctx, s, rev, ids, parts)
		if err != nil {
			return page, err
		}
		if ended != nil {
			next = slices.DeleteFunc(next, ended)
		}
		if all = append(all, next...); more {
			after = ids[len(ids)-1]
		}
	}
	return storage.PageOf(all, limit), nil
}

// records loads the records of IDs as of a revision.
func records[T any](ctx context.Context, s *Store, rev int64, ids, parts []string) (all []T, err error) {
	for ids := range slices.Chunk(ids, batch) {
		values, _, err := s.read(ctx, rev, keys(ids, parts...))
		for values := range slices.Chunk(values, len(parts)) {
			var r T
			err = errors.Join(err, decode(&r, values))
			all = append(all, r)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// keys has the keys of all parts of a record, and then those of the next one.
func keys(ids []string, parts ...string) (keys []string) {
	for _, id := range ids {
		for _, part := range parts {
			keys = append(keys, part+id)
		}
	}
	return keys
}

// decode puts the parts of a record together, and leaves it as it is where they are empty.
func decode(record any, parts []string) (err error) {
	for _, part := range parts {
		if part != "" {
			err = errors.Join(err, json.Unmarshal([]byte(part), record))
		}
	}
	return err
}

package objects

import "sync"

// lazy is a value that is read once. A reading that failed is repeated.
type lazy[T any] struct {
	mu    sync.Mutex
	known bool
	value T
}

func (l *lazy[T]) get(read func() (T, error)) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known {
		return l.value, nil
	}
	v, err := read()
	if err == nil {
		l.value, l.known = v, true
	}
	return v, err
}

func (l *lazy[T]) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known = false
}

// keyed are locks by name, kept only while somebody has or wants them.
type keyed struct {
	mu   sync.Mutex
	held map[string]*turn
}

type turn struct {
	sync.Mutex
	wanted int
}

// lock waits for the name, and returns what gives it back.
func (k *keyed) lock(name string) (unlock func()) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*turn{}
	}
	t := k.held[name]
	if t == nil {
		t = &turn{}
		k.held[name] = t
	}
	t.wanted++
	k.mu.Unlock()
	t.Lock()
	return func() {
		t.Unlock()
		k.mu.Lock()
		defer k.mu.Unlock()
		if t.wanted--; t.wanted == 0 {
			delete(k.held, name)
		}
	}
}

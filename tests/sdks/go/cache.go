package main

import (
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/ArtisanCloud/PowerLibs/v3/cache"
)

// A shelf keeps values like Redis, but in the test's time. It refuses values that expire at once.
type shelf struct {
	mutex sync.Mutex
	kept  map[string]kept
}

type kept struct {
	value any
	ends  time.Time
}

func newShelf() *shelf {
	return &shelf{kept: map[string]kept{}}
}

func (s *shelf) put(key string, value any, ttl time.Duration) error {
	if ttl < time.Second {
		return errors.New("ERR invalid expire time in 'setex' command")
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.kept[key] = kept{value, now().Add(ttl)}
	return nil
}

func (s *shelf) take(key string) any {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if one, found := s.kept[key]; found && now().Before(one.ends) {
		return one.value
	}
	return nil
}

// forSilenceper implements the SDK's cache.Cache.
type forSilenceper struct{ *shelf }

func (c forSilenceper) Get(key string) any { return c.take(key) }

func (c forSilenceper) Set(key string, value any, ttl time.Duration) error {
	return c.put(key, value, ttl)
}

func (c forSilenceper) IsExist(key string) bool { return c.take(key) != nil }

func (c forSilenceper) Delete(key string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	delete(c.kept, key)
	return nil
}

// forPowerWeChat implements the part of the cache that its access token uses. The rest of the interface is nil.
type forPowerWeChat struct {
	cache.CacheInterface
	*shelf
}

func (c forPowerWeChat) Get(key string, otherwise any) (any, error) {
	text, found := c.take(key).([]byte)
	if !found {
		return otherwise, errors.New("it is not there")
	}
	var value any
	err := json.Unmarshal(text, &value)
	return value, err
}

func (c forPowerWeChat) Set(key string, value any, ttl time.Duration) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return c.put(key, text, ttl)
}

func (c forPowerWeChat) Has(key string) bool { return c.take(key) != nil }

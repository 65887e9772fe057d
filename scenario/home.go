package scenario

import "reflect"

// homes maps each key that belongs in exactly one section to the name of the section, for keys in the wrong place.
var homes = func() map[string]string {
	m := map[string]string{}
	for _, section := range []struct {
		name string
		t    reflect.Type
	}{
		{"the top level", reflect.TypeFor[File]()}, {"target", reflect.TypeFor[FileTarget]()}, {"target.serve", reflect.TypeFor[FileServe]()},
		{"clients", reflect.TypeFor[FileGroup]()}, {"beat", reflect.TypeFor[TuningBeat]()}, {"opening", reflect.TypeFor[TuningOpening]()},
		{"close", reflect.TypeFor[TuningClose]()}, {"reconnect", reflect.TypeFor[TuningReconnect]()}, {"a fault", reflect.TypeFor[FileFault]()},
		{"target.balancer", reflect.TypeFor[FileBalancer]()}, {"target.serve.delivery", reflect.TypeFor[FileDelivery]()}, {"traffic", reflect.TypeFor[FileTraffic]()},
	} {
		for key := range fieldsOf(section.t) {
			if _, again := m[key]; again {
				m[key] = ""
				continue
			}
			m[key] = section.name
		}
	}
	return m
}()

// homeOf names the one section that the key belongs in, or "".
func homeOf(key string) string { return homes[key] }

tare eval -a nosuch.json -d nosuch.json

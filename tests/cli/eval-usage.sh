tare eval --annotations a.json

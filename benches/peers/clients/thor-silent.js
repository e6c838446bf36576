// A generator for thor that never hands out a message: its connections stay open and idle.
exports.utf8 = function nothing() {};
exports.binary = exports.utf8;

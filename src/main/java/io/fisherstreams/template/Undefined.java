package io.fisherstreams.template;

/**
 * The value of something that is not there: false, empty, and printed as nothing.
 *
 * @param what its name, for messages
 */
record Undefined(String what) {
  TemplateFault fault() {
    return new TemplateFault(what + " is undefined");
  }
}

package io.fisherstreams.monitor;

/**
 * Where a process shows its health and its metrics.
 *
 * @param listen address or host name of this machine to listen on
 * @param port 0 for a free one
 */
public record MonitorOptions(String listen, int port) {
  /** The address without a configuration. */
  public static final String LISTEN = "127.0.0.1";
}

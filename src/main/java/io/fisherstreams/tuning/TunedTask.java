package io.fisherstreams.tuning;

import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import java.nio.file.Path;

/** A task that merged models are measured on. */
public interface TunedTask {
  /** Its name; tasks of one search have different ones. */
  String name();

  /** Opens its labelled examples. */
  ExampleSource examples();

  /**
   * Loads a merged model.
   *
   * @param merged its file, which stays until the runtime is closed
   */
  ModelRuntime load(Path merged);
}

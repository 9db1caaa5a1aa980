package io.fisherstreams.deploy;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MappingIterator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.introspect.Annotated;
import com.fasterxml.jackson.databind.introspect.JacksonAnnotationIntrospector;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Kubernetes resources in YAML files. */
final class Manifests {
  static final ObjectMapper YAML = new ObjectMapper(new YAMLFactory());

  /** The models of Kubernetes and Strimzi keep keys that they do not know; here they are errors. */
  static final ObjectMapper STRICT =
      new ObjectMapper()
          .configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, true)
          .setAnnotationIntrospector(
              new JacksonAnnotationIntrospector() {
                private static final long serialVersionUID = 1L;

                @Override
                public Boolean hasAnySetter(Annotated annotated) {
                  // a Kafka configuration is a mapping of any keys, a specification is not
                  return annotated.getRawType() == void.class ? Boolean.FALSE : null;
                }
              });

  private Manifests() {}

  /** Every document of a folder, but for kustomize's own. */
  static List<JsonNode> in(Path folder) throws IOException {
    List<JsonNode> documents = new ArrayList<>();
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        documents.addAll(of(file));
      }
    }
    return documents;
  }

  /** Every document of one kind. */
  static List<JsonNode> in(Path folder, String kind) throws IOException {
    return in(folder).stream().filter(d -> d.get("kind").asText().equals(kind)).toList();
  }

  /** Every document of a file, but for kustomize's own. */
  static List<JsonNode> of(Path file) throws IOException {
    try (MappingIterator<JsonNode> documents =
        YAML.readerFor(JsonNode.class).readValues(file.toFile())) {
      return documents.readAll().stream()
          .filter(d -> !d.get("kind").asText().equals("Kustomization"))
          .toList();
    }
  }
}

import io.confluent.kafka.schemaregistry.avro.AvroSchema;
import io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A client of another code base, with Confluent's genuine registry client and none of our classes:
 * reads the first record of one topic, adds 1 to its version, and writes it to another topic.
 */
class Peer {
  public static void main(String[] args) throws Exception {
    String brokers = args[0];
    String registryUrl = args[1];
    String from = args[2];
    String to = args[3];
    CachedSchemaRegistryClient registry = new CachedSchemaRegistryClient(registryUrl, 10);

    ByteBuffer value = ByteBuffer.wrap(first(brokers, from));
    if (value.get() != 0) {
      throw new IllegalStateException("magic byte");
    }
    Schema schema = ((AvroSchema) registry.getSchemaById(value.getInt())).rawSchema();
    GenericRecord record =
        new GenericDatumReader<GenericRecord>(schema)
            .read(
                null,
                DecoderFactory.get()
                    .binaryDecoder(value.array(), value.position(), value.remaining(), null));
    System.out.println(schema.getFullName() + " of " + record.get("model"));

    record.put("version", (Long) record.get("version") + 1);
    int id = registry.register(to + "-value", new AvroSchema(schema));
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(0);
    out.write(ByteBuffer.allocate(4).putInt(id).array());
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
    encoder.flush();
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(
            Map.of("bootstrap.servers", brokers, "max.request.size", 4 << 20),
            new ByteArraySerializer(),
            new ByteArraySerializer())) {
      producer.send(new ProducerRecord<>(to, "key".getBytes(), out.toByteArray())).get();
    }
  }

  private static byte[] first(String brokers, String topic) {
    TopicPartition partition = new TopicPartition(topic, 0);
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(
            Map.of("bootstrap.servers", brokers, "auto.offset.reset", "earliest"),
            new ByteArrayDeserializer(),
            new ByteArrayDeserializer())) {
      consumer.assign(List.of(partition));
      while (true) {
        for (var record : consumer.poll(Duration.ofSeconds(1))) {
          return record.value();
        }
      }
    }
  }
}

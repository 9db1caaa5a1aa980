"""Makes the TorchScript cases: a traced module, its parameters, examples, and Fishers from float64
automatic differentiation, class by class. Run with PyTorch; the results are committed."""

import json
import struct

import torch


def save(path, tensors, metadata=None):
    names = {torch.float32: "F32", torch.int64: "I64"}
    header, data = {}, b""
    if metadata:
        header["__metadata__"] = metadata
    for name, tensor in tensors.items():
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {
            "dtype": names[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(2, 3, 3)
        self.norm = torch.nn.BatchNorm2d(3)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


class Net(torch.nn.Module):
    """Two inputs, a submodule with buffers, dropout that tracing in eval mode removes."""

    def __init__(self):
        super().__init__()
        self.block = Block()
        self.drop = torch.nn.Dropout(0.5)
        self.out = torch.nn.Linear(3 * 9 + 4, 3)

    def forward(self, image, extra):
        x = self.drop(self.block(image).flatten(1))
        return self.out(torch.cat([x, extra], 1))


torch.manual_seed(3)
net = Net().eval()
net.block.norm.running_mean.normal_()
net.block.norm.running_var.uniform_(0.5, 2)
n = 5
image, extra = torch.randn(n, 2, 5, 5), torch.randn(n, 4)
labels = torch.randint(0, 3, (n,))
torch.jit.trace(net, (image, extra)).save("net.pt")
torch.jit.script(net).save("scripted.pt")

# The checkpoint differs from what the files were traced with: the runtime has to load it.
with torch.no_grad():
    for p in net.parameters():
        p += 0.3 * torch.randn_like(p)
save("model.safetensors", {k: v.detach() for k, v in net.named_parameters()})
save("examples.safetensors", {"image": image, "extra": extra, "labels": labels})

wide = net.double()
exact = {k: torch.zeros_like(v) for k, v in wide.named_parameters()}
empirical = {k: torch.zeros_like(v) for k, v in wide.named_parameters()}
for i in range(n):
    logp = torch.log_softmax(wide(image[i : i + 1].double(), extra[i : i + 1].double())[0], 0)
    for c in range(3):
        grads = torch.autograd.grad(logp[c], list(wide.parameters()), retain_graph=True)
        for (k, _), g in zip(wide.named_parameters(), grads):
            exact[k] += logp[c].exp().detach() * g**2 / n
            if c == labels[i]:
                empirical[k] += g**2 / n
save("expected-exact.safetensors", {k: v.float() for k, v in exact.items()})
save("expected-empirical.safetensors", {k: v.float() for k, v in empirical.items()})

"""The models of examples/ and bench/ in PyTorch, written from their .hgm files: step(dump, dtype) -> Step, score(dump, dtype) -> values."""
from functools import partial

import numpy as np
import torch
from torch.nn import functional as F

import layers
import philox
from layers import Place, dense, mlp, resnet
from prepare import Preparing, joined


class Run:
    """What every model needs: the dump, the dtype of PyTorch's arithmetic and the weights as leaves."""

    def __init__(self, dump, dtype):
        self.dump, self.dtype = dump, dtype
        self.weights = {name: torch.tensor(value, dtype=dtype, requires_grad=True) for name, value in dump.starting("before:").items()}
        self.worst_statistic = 0.0

    def tensor(self, values):
        return torch.tensor(np.asarray(values), dtype=self.dtype)

    def place(self, path):
        return Place(self.weights, path)

    def standard_normal(self, site, n):
        dump = self.dump
        return self.tensor(philox.normal(dump.seed, site, dump.batch, dump.step_pass, n, dump.precision))

    def uniform(self, site, n):
        dump = self.dump
        return self.tensor(philox.uniform(dump.seed, site, dump.batch, dump.step_pass, n, dump.precision))


# ---- flows


def coupling(run, here, x, context, circular, bins, tail, subnet, flip, inverted):
    """Towards the noise: half of x moves through splines whose numbers come from the other half."""
    n = x.shape[1]
    halves = [list(range(n // 2)), list(range(n // 2, n))]
    stay, move = halves[::-1] if flip else halves
    angles = torch.tensor([circular[i] for i in move])
    reach = torch.tensor([np.pi if circular[i] else tail for i in move], dtype=run.dtype)
    lines, circles = [i for i in stay if not circular[i]], [i for i in stay if circular[i]]
    known = torch.cat([x[:, lines], torch.cos(x[:, circles]), torch.sin(x[:, circles])], dim=1)
    each = 3 * bins - 1 + int(angles.any())
    q = here.child("q")
    p = dense(q, subnet(q, known, context=context)).reshape(len(x), len(move), each)
    spline = layers.Spline(p, bins, reach, angles)
    moved, log_det = spline.forward(x[:, move]) if inverted else spline.inverse(x[:, move])
    y = x.clone()
    y[:, move] = moved
    return y, log_det


class Density:
    """Walks a flow from the data to the noise, from its last step to its first, adding up log-determinants."""

    def __init__(self, run, flow, x, context=None, circular=None):
        self.run, self.flow, self.x, self.context = run, flow, x, context
        self.circular = list(circular) if circular is not None else [False] * x.shape[1]
        self.log_det = torch.zeros(len(x), dtype=run.dtype)

    def here(self, number):
        return self.run.place(f"{self.flow}.step_{number}")

    def add(self, result):
        self.x, log_det = result
        self.log_det = self.log_det + log_det

    def spline_coupling(self, number, bins, tail, subnet, flip=False, inverted=False):
        self.add(coupling(self.run, self.here(number), self.x, self.context, self.circular, bins, tail, subnet, flip, inverted))

    def linear_lu(self, number):
        self.add(layers.linear_lu_to_noise(self.here(number), self.x))

    def reorder(self, order):
        self.x, self.circular = self.x[:, order], [self.circular[i] for i in order]

    def permute(self, number):
        order = philox.permutation(self.run.dump.seed, f"{self.here(number).path}.p", self.x.shape[1])
        self.reorder([int(i) for i in np.argsort(order)])

    def turn(self, number):
        t = self.here(number)["t"]
        self.x = torch.stack([layers.wrap(self.x[:, i] - t[i]) if angle else self.x[:, i] for i, angle in enumerate(self.circular)], dim=1)

    def log_prob(self):
        lines = [i for i, angle in enumerate(self.circular) if not angle]
        circles = len(self.circular) - len(lines)
        return layers.standard_normal(self.x[:, lines]) - circles * np.log(2 * np.pi) + self.log_det


class Jets:
    clip, rate = 5.0, "rate"

    def prepared(self, run, step_pass):
        prepare = Preparing(run.dump, step_pass)
        field = prepare.field
        gen_pt = field("", "GenJet_pt")
        gen = [
            field("gen.pt", "GenJet_pt").log().standardize(),
            field("gen.eta", "GenJet_eta").standardize(),
            field("gen.phi", "GenJet_phi").sincos(),
            field("gen.mass", "GenJet_mass").log1p().standardize(),
            field("gen.more", "GenJet_nMuons", "GenJet_muonPtRel", "Pileup_nPU").standardize(),
            field("gen.flavour", "GenJet_partonFlavour").one_hot(0, 1, 2, 3, 4, 5, 21),
        ]
        reco = [
            field("reco.pt", "Jet_pt").over(gen_pt).log().standardize(),
            field("reco.eta", "Jet_eta").minus(field("", "GenJet_eta")).arctan(10).standardize(),
            field("reco.phi", "Jet_phi").minus(field("", "GenJet_phi")).wrap().arctan(10).standardize(),
            field("reco.mass", "Jet_mass").log1p().standardize(),
            field("reco.area", "Jet_area").standardize(),
            field("reco.btag", "Jet_btagDeepB").logit(1e-3).standardize(),
            field("reco.qgl", "Jet_qgl").missing(-1, -0.1).standardize(),
            field("reco.breg", "Jet_bRegCorr").standardize(),
            field("reco.frac", "Jet_chHEF", "Jet_neHEF", "Jet_chEmEF", "Jet_neEmEF").zero_below(2e-4).logit(1e-3).standardize(),
            field("reco.n", "Jet_nConstituents").dequantize().standardize(),
            field("reco.mu", "Jet_nMuons").dequantize().standardize(),
            field("reco.id", "Jet_jetId").levels(0, 2, 6).dequantize().standardize(),
            field("reco.puid", "Jet_puId").levels(0, 4, 6, 7).dequantize().standardize(),
        ]
        (c, _), (x, jacobian) = joined(gen), joined(reco)
        run.worst_statistic = max(run.worst_statistic, prepare.worst_statistic)
        return run.tensor(x), run.tensor(c), run.tensor(jacobian)

    def log_prob(self, run, x, c):
        params, density = run.dump, Density(run, "response", x, c)
        subnet = partial(resnet, blocks=params.whole("blocks"))
        for number in reversed(range(params.whole("layers"))):
            density.permute(4 + 3 * number)
            density.linear_lu(3 + 3 * number)
            density.spline_coupling(2 + 3 * number, params.whole("bins"), 4.0, subnet)
        density.linear_lu(1)
        return density.log_prob()

    def loss(self, run):
        x, c, _ = self.prepared(run, run.dump.step_pass)
        return -self.log_prob(run, x, c).mean()

    def score(self, run):
        x, c, jacobian = self.prepared(run, 0)
        return {"log_density": self.log_prob(run, x, c) + jacobian}


class ZMuMu:
    clip, rate = 5.0, "rate"

    def prepared(self, run):
        prepare = Preparing(run.dump, 0)
        both = lambda name: prepare.field(f"mu.{name}", f"{name}1", f"{name}2")
        mu = [both("pt").log().standardize(), both("eta").standardize(), both("phi").wrap(), both("dxy").arctan(50).standardize()]
        x, jacobian = joined(mu)
        charge = prepare.field("charge", "Q1").one_hot(-1, 1).batch
        run.worst_statistic = max(run.worst_statistic, prepare.worst_statistic)
        return run.tensor(x), run.tensor(charge), run.tensor(jacobian)

    def log_prob(self, run, x, charge):
        params, density = run.dump, Density(run, "pair", x, charge, [False] * 4 + [True] * 2 + [False] * 2)
        for number in reversed(range(params.whole("layers"))):
            density.permute(3 + 3 * number)
            density.turn(2 + 3 * number)
            density.spline_coupling(1 + 3 * number, params.whole("bins"), 4.0, partial(resnet, blocks=2))
        return density.log_prob()

    def loss(self, run):
        x, charge, _ = self.prepared(run)
        return -self.log_prob(run, x, charge).mean()

    def score(self, run):
        x, charge, jacobian = self.prepared(run)
        return {"log_density": self.log_prob(run, x, charge) + jacobian}


class Flow10:
    clip, rate = None, 1e-3

    def loss(self, run):
        x = run.tensor(run.dump.column("x", run.dump.batch) if "column:x" in run.dump.all else
                       np.stack([run.dump.column(f"x{i}", run.dump.batch) for i in range(10)], axis=1))
        density = Density(run, "density", x)
        for place, k in enumerate([5, 4, 3, 2, 1, 0][::-1]):
            density.reorder([(3 * i + k) % 10 for i in range(10)])
            density.spline_coupling(11 - 2 * place, 8, 4.0, partial(mlp, depth=2, activation=F.relu), flip=k % 2 == 1, inverted=True)
        return -density.log_prob().mean()

    def score(self, run):
        return {}


# ---- autoencoders


class Autoencoder:
    """Gaussian encoder, decoder, mean squared error and KL divergence; z by reparameterisation."""
    clip = None

    def __init__(self, slope, features, latent, beta, rate):
        self.slope, self.features, self.latent, self.beta, self.rate = slope, features, latent, beta, rate

    def number(self, run, setting):
        return run.dump.number(setting) if isinstance(setting, str) else setting

    def hidden(self, place, x):
        return mlp(place, x, 2, partial(F.leaky_relu, negative_slope=self.slope))

    def encode(self, run, x):
        place = run.place("encoder")
        h = self.hidden(place, x)
        return dense(place, h), dense(place, h)

    def decode(self, run, z):
        place = run.place("decoder")
        return dense(place, self.hidden(place, z))

    def data(self, run, step_pass):
        return run.tensor(np.stack([run.dump.column(f"x{i}", run.dump.batch) for i in range(self.features)], axis=1))

    def loss(self, run):
        x = self.data(run, run.dump.step_pass)
        mu, logvar = self.encode(run, x)
        z = mu + torch.exp(logvar / 2) * run.standard_normal("train.z", int(self.number(run, self.latent)))
        error = F.mse_loss(self.decode(run, z), x, reduction="none").mean(dim=1)
        return (error + self.number(run, self.beta) * layers.kl_to_standard_normal(mu, logvar)).mean()

    def score(self, run):
        return {}


class ZGamma(Autoencoder):
    def data(self, run, step_pass):
        prepare = Preparing(run.dump, step_pass)
        field = prepare.field
        x, _ = joined([
            field("x.kin", "mlly", "mll", "pt_zy", "e_zy", "pt_ll", "e_ll", "MET").standardize(),
            field("x.shape", "eta_zy", "eta_ll", "dR_ll", "llpt_mlly").standardize(),
            field("x.angle", "phi_zy", "phi_ll", "MET_phi", "dPhi_ll", "dPhi_METZy").standardize(),
            field("x.jets", "Nj", "Ncj").dequantize().standardize(),
        ])
        run.worst_statistic = max(run.worst_statistic, prepare.worst_statistic)
        return run.tensor(x)

    def score(self, run):
        x = self.data(run, 0)
        mu, _ = self.encode(run, x)
        return {"anomaly": ((self.decode(run, mu) - x) ** 2).mean(dim=1), "position": torch.sqrt((mu**2).sum(dim=1) + 1e-12)}


# ---- images


class Image:
    """tests/oracle/image.hgm: images of one channel as (events, height, width, channels), as the language has them."""
    clip, rate = None, 1e-3

    def judge(self, run, x):
        here = run.place("judge")
        h = layers.conv2d(here, x)
        h = layers.batch_norm(here, F.leaky_relu(h, 0.3))
        h = torch.tanh(layers.locally_connected2d(here, F.pad(h, (0, 0, 1, 1, 1, 1)), 3, 2))
        h = layers.batch_norm(here, layers.conv_transpose2d(here, h, 5, 2))
        pool = lambda f, t: f(t.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        h = pool(F.avg_pool2d, h).repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
        h = pool(F.max_pool2d, layers.conv2d(here, h, 2)).flatten(1)
        return dense(here, torch.cat([h, layers.minibatch_discrimination(here, h, 3, 4)], dim=1))[:, 0]

    def critic(self, run, x):
        here = run.place("critic")
        h = torch.tanh(layers.conv2d(here, x, same=False))
        h = torch.tanh(layers.spectral_norm_conv2d(here, h, 2))
        h = torch.sigmoid(layers.locally_connected2d(here, h, 2))
        h = torch.tanh(layers.spectral_norm_dense(here, h.flatten(1)))
        return dense(here, h)[:, 0]

    def loss(self, run):
        x = run.tensor(np.stack([run.dump.column(f"x{i}", run.dump.batch) for i in range(64)], axis=1)).requires_grad_()
        images = x.reshape(-1, 8, 8, 1)
        slope, = torch.autograd.grad(self.critic(run, images).sum(), x, create_graph=True)
        return (self.judge(run, images) ** 2 + (slope**2).sum(dim=1)).mean()

    def score(self, run):
        return {}


# ---- games


class WganGp:
    """The critic's step: its second derivatives reach every weight through the slope at points between data and fakes."""
    clip, rate, betas = None, "rate", (0.5, 0.9)

    def net(self, run, name, x):
        place = run.place(name)
        return dense(place, mlp(place, x, run.dump.whole("depth"), partial(F.leaky_relu, negative_slope=0.2)))

    def critic(self, run, x, c):
        return self.net(run, "critic", torch.cat([x, c], dim=1))[:, 0]

    def prepared(self, run):
        prepare = Preparing(run.dump, 0)
        field = prepare.field
        gen = [field("gen.pt", "GenJet_pt").log().standardize(), field("gen.eta", "GenJet_eta").standardize(),
               field("gen.mass", "GenJet_mass").log1p().standardize()]
        reco = [field("reco.pt", "Jet_pt").over(field("", "GenJet_pt")).log().standardize(),
                field("reco.eta", "Jet_eta").minus(field("", "GenJet_eta")).arctan(10).standardize(),
                field("reco.mass", "Jet_mass").log1p().standardize()]
        (c, _), (x, _) = joined(gen), joined(reco)
        run.worst_statistic = max(run.worst_statistic, prepare.worst_statistic)
        return run.tensor(x), run.tensor(c)

    def loss(self, run):
        x, c = self.prepared(run)
        z = run.standard_normal("train.update_1.z", run.dump.whole("noise"))
        e = run.uniform("train.update_1.e", 1)
        fake = self.net(run, "generator", torch.cat([z, c], dim=1)).detach()
        mid = (e * x + (1 - e) * fake).requires_grad_(True)
        slope, = torch.autograd.grad(self.critic(run, mid, c).sum(), mid, create_graph=True)
        penalty = (torch.sqrt((slope**2).sum(dim=1) + 1e-12) - 1) ** 2
        return (self.critic(run, fake, c) - self.critic(run, x, c) + run.dump.number("lambda") * penalty).mean()

    def score(self, run):
        return {"realism": self.critic(run, *self.prepared(run))}


class UnrolledGan:
    """The generator's step, through k steps of the critic's Adam from empty moments (1611.02163): the critic's weights are functions of the generator's."""
    clip, rate, betas = None, 1e-3, (0.5, 0.999)

    def ring(self, run):
        mode = np.minimum(np.floor(8 * run.uniform("data.ring.mode", 1).double().numpy()), 7)
        centre = np.concatenate([np.cos(np.pi * mode / 4), np.sin(np.pi * mode / 4)], axis=1)
        return run.tensor(centre) + 0.01 * run.standard_normal("data.ring.x", 2)

    def net(self, weights, path, x):
        here = Place(weights, path)
        return dense(here, mlp(here, x, 2, torch.tanh))

    def loss(self, run):
        real, fake = self.ring(run), self.net(run.weights, "generator", run.standard_normal("train.z", run.dump.whole("latent")))
        softplus = lambda x: torch.logaddexp(x, torch.zeros_like(x))
        game = lambda critic: (softplus(-self.net(critic, "critic", real)) + softplus(self.net(critic, "critic", fake))).mean()
        critic = {name: w.detach().requires_grad_() for name, w in run.weights.items() if name.startswith("critic.")}
        m, v = {name: 0 for name in critic}, {name: 0 for name in critic}
        first, second = self.betas
        for t in range(1, run.dump.whole("k") + 1):
            for name, g in zip(critic, torch.autograd.grad(game(critic), list(critic.values()), create_graph=True)):
                m[name], v[name] = first * m[name] + (1 - first) * g, second * v[name] + (1 - second) * g**2
                critic[name] = critic[name] - 1e-4 * m[name] / (1 - first**t) / (torch.sqrt(v[name] / (1 - second**t)) + 1e-8)
        return -game(critic)

    def score(self, run):
        return {}


class Lagan:
    """The judge on real images (1701.05927): dropout, batch norm, minibatch discrimination, a label that is sometimes flipped, an auxiliary class."""
    clip, rate, betas = None, 2e-4, (0.5, 0.999)

    def dropped(self, run, name, x, rate=0.2):
        if not self.training:
            return x
        kept = run.uniform(f"train.update_1.judge.features_1.{name}.kept", x[0].numel()) < 1 - rate
        return x * kept.reshape(x.shape) / (1 - rate)

    def normed(self, here, x):
        here = here.next("leaky_norm")
        x = F.leaky_relu(x, 0.3)
        return layers.batch_norm(here, x) if self.training else layers.batch_norm_remembered(here, x)

    def judge(self, run):
        here = run.place("judge").next("features")
        seen = torch.cat([run.images, 0.1 * run.images / (run.images + 0.002)], dim=3)
        h = F.leaky_relu(layers.conv2d(here, seen), 0.3)
        h = self.dropped(run, "drop_leaky_1.dropout_1", h)
        for number, (pad, stride, kernel) in enumerate([(2, 2, 5), (2, 1, 5), (1, 2, 3)], start=1):
            h = layers.locally_connected2d(here, F.pad(h, (0, 0, pad, pad, pad, pad)), kernel, stride)
            h = self.dropped(run, f"dropout_{number}", self.normed(here, h))
        h = F.avg_pool2d(h.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1).flatten(1)
        here = run.place("judge")
        both = torch.cat([h, layers.minibatch_discrimination(here, h, 20, 10)], dim=1)
        return dense(here, both)[:, 0], dense(here, both)[:, 0]

    def prepared(self, run, training):
        self.training = training
        image = run.dump.column("image", run.dump.batch)
        run.images = run.tensor(np.where(image < 1e-3, 0, image) / 100).reshape(-1, 25, 25, 1)
        return run.tensor(run.dump.column("signal", run.dump.batch))

    def loss(self, run):
        signal = self.prepared(run, True)
        real, w_like = self.judge(run)
        wrong = (run.uniform("train.update_1.wrong", 1)[:, 0] < 0.05).to(run.dtype)
        bce = F.binary_cross_entropy_with_logits
        return bce(real, 1 - wrong) + bce(w_like, signal)

    def score(self, run):
        self.prepared(run, False)
        real, w_like = self.judge(run)
        return {"real": torch.sigmoid(real), "w_like": torch.sigmoid(w_like)}


MODELS = {
    "image": Image(),
    "jets": Jets(),
    "zmumu": ZMuMu(),
    "zgamma": ZGamma(0.2, 18, "latent", "beta", "rate"),
    "flow10": Flow10(),
    "wgan_gp": WganGp(),
    "unrolled": UnrolledGan(),
    "lagan": Lagan(),
    "vae18": Autoencoder(0.01, 18, 8, 1e-3, 1e-3),
}
